import BlockHost
import Glibc

/// Signals as a descriptor that becomes readable. It exists until the program ends.
package struct SignalDescriptor: Sendable {
    /// Readable once one of the signals has come.
    package let descriptor: CInt

    /// Handles these signals from now on, for the whole program.
    package init(_ signals: [CInt]) throws(SystemCallError) {
        var ends: [CInt] = [-1, -1]
        guard pipe(&ends) == 0 else { throw SystemCallError("pipe(2)", errno) }
        // A handler must not wait, and the descriptors are none of a child's business.
        for end in ends {
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
        }
        descriptor = ends[0]
        let handler: @convention(c) (CInt) -> Void = { number in
            let former = errno
            var byte: UInt8 = 0
            _ = write(writingEnds[Int(number)], &byte, 1)
            errno = former
        }
        for number in signals {
            writingEnds[Int(number)] = ends[1]
            signal(number, handler)
        }
    }

    /// SIGTERM and SIGINT.
    package static func termination() throws(SystemCallError) -> SignalDescriptor {
        try SignalDescriptor([SIGTERM, SIGINT])
    }

    /// Makes it quiet until the next signal comes.
    package func clear() {
        var byte: UInt8 = 0
        while read(descriptor, &byte, 1) > 0 {}
    }
}

/// The ends that the handler writes to, by the number of the signal; set before the handler can run.
nonisolated(unsafe) private let writingEnds: UnsafeMutablePointer<CInt> = {
    // Signals are numbered from 1 to 64 (signal(7)).
    let ends = UnsafeMutablePointer<CInt>.allocate(capacity: 65)
    ends.initialize(repeating: -1, count: 65)
    return ends
}()
