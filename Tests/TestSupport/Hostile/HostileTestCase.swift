import Dispatch
import Glibc
import XCTest

/// A test with parts that only another process can play: one that is limited, or killed.
///
/// The other process is another run of this test program on the same test, where ``perform(_:_:)``
/// runs in place of the test.
class HostileTestCase: XCTestCase {
    /// How long a test may take. None needs a tenth of it without a sanitizer; a test that hangs in
    /// the library cannot go on, so the process ends.
    private static let limit = DispatchTimeInterval.seconds(300)

    /// Plays a role in a child process, which ends when this returns.
    func perform(_ role: String, _ port: ChildPort) throws {
        throw FixtureError.failed("\(name) has no role \(role)")
    }

    /// Starts another process in a role.
    ///
    /// - Parameters:
    ///   - arguments: For the role, as ``ChildPort/arguments``.
    ///   - environment: Variables that the child has besides, or instead of, this process's.
    ///   - input: The child's standard input, or else a pipe for ``RoleChild/tell(_:)``.
    func child(
        _ role: String, _ arguments: [String] = [], environment: [String: String] = [:],
        input: Descriptor? = nil
    ) throws -> RoleChild {
        let parts = name.split(separator: ".")
        guard parts.count == 2 else { throw FixtureError.failed("a test called \(name)?") }
        return try RoleChild(
            test: "\(String(reflecting: type(of: self)))/\(parts[1])", role: role,
            arguments: arguments, environment: environment, input: input)
    }

    override func invokeTest() {
        guard let port = ChildPort.ofThisProcess else {
            let alarm = DispatchWorkItem { [name] in
                fatalError("\(name): no end in sight (BLOCKIO_SEED=\(Seed.text))")
            }
            DispatchQueue.global().asyncAfter(deadline: .now() + Self.limit, execute: alarm)
            defer { alarm.cancel() }
            return super.invokeTest()
        }
        do {
            try perform(port.role, port)
        } catch {
            port.say("threw \(error)")
            _exit(1)
        }
        _exit(0)
    }
}
