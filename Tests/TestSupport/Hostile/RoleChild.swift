import CTestSupport
import Foundation

/// How a child process of a ``HostileTestCase`` speaks with its parent: lines, on its standard
/// input and (between those that XCTest prints) output.
struct ChildPort: Sendable {
    fileprivate static let roleVariable = "BLOCKIO_HOSTILE_ROLE"
    fileprivate static let argumentsVariable = "BLOCKIO_HOSTILE_ARGUMENTS"
    fileprivate static let marker = "hostile: "

    /// What the process is to do.
    let role: String
    /// What the parent gave with the role.
    let arguments: [String]

    /// `nil` in a process that is nobody's child.
    static let ofThisProcess: ChildPort? = {
        let environment = ProcessInfo.processInfo.environment
        guard let role = environment[roleVariable] else { return nil }
        _ = cts_die_with_parent()
        let arguments = environment[argumentsVariable] ?? ""
        return ChildPort(role: role, arguments: arguments.split(separator: "\n").map(String.init))
    }()

    /// A line as it looks on the way.
    static func text(_ line: String) -> String {
        "\n\(marker)\(line.replacing("\n", with: " | "))\n"
    }

    /// Tells the parent a line, in one write(2).
    func say(_ line: String) {
        let text = Array(Self.text(line).utf8)
        var done = 0
        while done < text.count {
            let count = text[done...].withUnsafeBytes { write(1, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { _exit(2) }
            done += count
        }
    }

    /// Lets the parent read what goes to the standard error, as the message of a program that stops.
    func sendErrors() throws {
        try SystemCall.check(SystemCall.result(dup2(1, 2)), "dup2")
    }

    /// Waits for a line from the parent; does not return when the parent has gone.
    @discardableResult
    func hear() -> String {
        guard let line = readLine() else { _exit(2) }
        return line
    }
}

/// A child process in a role; killed by `kill()`, by `deinit`, and when its parent dies.
final class RoleChild {
    /// The process id.
    let process: pid_t
    private let orders: Descriptor?
    private let answers: Descriptor
    private var status: Int32?
    private var unread: [UInt8] = []

    init(
        test: String, role: String, arguments: [String], environment: [String: String],
        input: Descriptor?
    ) throws {
        let orders = try input == nil ? Descriptor.pipe() : nil
        let answers = try Descriptor.pipe()
        // XCTest's own lines stay apart; what sanitizers and failures print is to be seen.
        let errors = Descriptor(dup(2))
        let inherited = ProcessInfo.processInfo.environment
            .merging(environment) { _, new in new }.map { "\($0)=\($1)" }
        process = try ChildProcess.spawn(
            "/proc/self/exe", [test],
            environment: inherited + [
                "\(ChildPort.roleVariable)=\(role)",
                "\(ChildPort.argumentsVariable)=\(arguments.joined(separator: "\n"))",
            ],
            input: input ?? orders?.reading, output: answers.writing, error: errors)
        self.orders = orders?.writing
        self.answers = answers.reading
    }

    deinit {
        kill()
    }

    /// Gives the child a line to hear.
    func tell(_ line: String) throws {
        guard let orders else { throw FixtureError.failed("the child's input is not a pipe") }
        let text = Array("\(line)\n".utf8)
        guard write(orders.raw, text, text.count) == text.count else {
            throw FixtureError.failed("telling a child: errno \(errno)")
        }
    }

    /// The next line the child says; `nil` when it has ended. Throws when nothing comes.
    func line() throws -> String? {
        while true {
            if let end = unread.firstIndex(of: UInt8(ascii: "\n")) {
                let line = String(decoding: unread[..<end], as: UTF8.self)
                unread.removeSubrange(...end)
                if line.hasPrefix(ChildPort.marker) {
                    return String(line.dropFirst(ChildPort.marker.count))
                }
            } else if try !readMore() {
                return nil
            }
        }
    }

    /// Waits until the child says this, and nothing else before it.
    func expect(_ expected: String) throws {
        let said = try line()
        guard said == expected else {
            throw FixtureError.failed("the child said \(said ?? "no more"), not \(expected)")
        }
    }

    /// All lines up to the child's end, which must be a good one.
    func lines() throws -> [String] {
        var lines: [String] = []
        while let next = try line() { lines.append(next) }
        let status = wait()
        guard status == 0 else { throw FixtureError.failed("the child: \(status), \(lines)") }
        return lines
    }

    /// All that the child still writes, whatever it is, up to its end.
    func remainder() throws -> String {
        while try readMore() {}
        defer { unread.removeAll() }
        return String(decoding: unread, as: UTF8.self)
    }

    /// Ends the child with SIGKILL and waits for its end.
    func kill() {
        if status == nil { _ = Glibc.kill(process, SIGKILL) }
        _ = wait()
    }

    /// Sends a signal.
    func signal(_ number: Int32) {
        if status == nil { _ = Glibc.kill(process, number) }
    }

    /// Waits for the end: the exit status, or 256 and the signal.
    @discardableResult
    func wait() -> Int32 {
        let ended = status ?? cts_wait(process)
        status = ended
        return ended
    }

    /// False at the end of what the child has to say.
    private func readMore() throws -> Bool {
        guard cts_wait_readable(answers.raw, Patience.milliseconds) > 0 else {
            throw FixtureError.failed("nothing comes from a child")
        }
        let count = withUnsafeTemporaryAllocation(byteCount: 1 << 16, alignment: 1) { buffer in
            let count = read(answers.raw, buffer.baseAddress, buffer.count)
            if count > 0 { unread.append(contentsOf: buffer[..<count]) }
            return count
        }
        return count > 0
    }
}
