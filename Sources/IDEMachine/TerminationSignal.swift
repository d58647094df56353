import Glibc

/// SIGTERM and SIGINT as a descriptor that becomes readable. There is one in a program.
final class TerminationSignal {
    /// Readable once one of the signals has come.
    let descriptor: CInt

    init() throws {
        var ends: [CInt] = [-1, -1]
        guard pipe(&ends) == 0 else { throw SystemError("pipe") }
        descriptor = ends[0]
        signalPipe = ends[1]
        let handler: @convention(c) (CInt) -> Void = { _ in
            var byte: UInt8 = 0
            _ = write(signalPipe, &byte, 1)
        }
        signal(SIGTERM, handler)
        signal(SIGINT, handler)
    }
}

/// The end that the handler writes to; set before the handler can run.
nonisolated(unsafe) private var signalPipe: CInt = -1
