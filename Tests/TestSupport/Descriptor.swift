import CTestSupport
import Glibc

/// A close-on-exec file descriptor that is closed once: by `close()`, by `deinit`, or by the kernel
/// when the process dies.
final class Descriptor: Sendable {
    private let number: Locked<Int32?>

    /// Takes over an open descriptor.
    init(_ number: Int32) {
        self.number = Locked(number)
    }

    deinit {
        close()
    }

    /// open(2): a descriptor or -errno.
    static func open(_ path: String, _ flags: Int32, mode: mode_t = 0o600) -> Int32 {
        SystemCall.result(Glibc.open(path, flags | O_CLOEXEC, mode))
    }

    /// The two ends of a new pipe.
    static func pipe() throws -> (reading: Descriptor, writing: Descriptor) {
        var ends: [Int32] = [-1, -1]
        try SystemCall.check(cts_pipe(&ends), "pipe2")
        return (Descriptor(ends[0]), Descriptor(ends[1]))
    }

    /// The number; an error in the test when the descriptor has been closed.
    var raw: Int32 {
        guard let number = number.withLock({ $0 }) else {
            preconditionFailure("use of a closed descriptor")
        }
        return number
    }

    /// Whether `close()` has not been called yet.
    var isOpen: Bool {
        number.withLock { $0 != nil }
    }

    /// Closes the descriptor; further calls do nothing.
    func close() {
        number.withLock { number in
            if let open = number { _ = Glibc.close(open) }
            number = nil
        }
    }

    /// The text up to the end of the file.
    func readToEnd() -> String {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while case let count = readSome(&buffer), count > 0 {
            bytes.append(contentsOf: buffer[..<count])
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The text up to the next newline, of which nothing more is consumed; nil at the end of the
    /// file.
    func readLine() -> String? {
        var bytes: [UInt8] = []
        var byte: [UInt8] = [0]
        while readSome(&byte) > 0 {
            if byte[0] == UInt8(ascii: "\n") { return String(decoding: bytes, as: UTF8.self) }
            bytes.append(byte[0])
        }
        return bytes.isEmpty ? nil : String(decoding: bytes, as: UTF8.self)
    }

    private func readSome(_ buffer: inout [UInt8]) -> Int {
        var count = read(raw, &buffer, buffer.count)
        while count < 0, errno == EINTR { count = read(raw, &buffer, buffer.count) }
        return count
    }
}
