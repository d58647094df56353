import BlockIO
import CTestSupport

/// Something that happens to the library's calls of the C library, liburing or libaio while a body
/// runs. See cts_calls.h.
struct CallFault {
    /// The group of functions.
    var call: cts_call
    /// What happens to them.
    var fault: cts_fault

    /// - Parameters:
    ///   - error: The errno that calls fail with; 0: they are made.
    ///   - count: How many calls are concerned; -1: all of them; 0: the calls are only counted.
    ///   - holdMilliseconds: How long a call waits at most before it fails or is made.
    ///   - range: The calls concerned are those that begin at these bytes.
    ///   - limit: How many requests io_submit(2) takes at most.
    init(
        _ call: cts_call, error: CInt = 0, count: Int64 = -1, holdMilliseconds: Int64 = 0,
        range: Range<UInt64> = 0..<0, limit: Int64 = 0
    ) {
        self.call = call
        fault = cts_fault(
            error: error, count: count, hold_milliseconds: holdMilliseconds,
            start: range.lowerBound, end: range.upperBound, limit: limit)
    }

    /// Whether faults of this call have an effect: not under a sanitizer that replaces the
    /// function.
    var isCovered: Bool { cts_call_is_covered(call) }

    /// What has happened since the fault was set.
    var counts: cts_call_counts { cts_calls_counts(call) }

    /// Sets the fault again: its counts begin anew.
    func set() { cts_calls_set(call, fault) }

    /// Ends the waiting of calls.
    func release() { cts_calls_release(call) }

    /// Runs `body` with the fault.
    func during<Result>(_ body: () throws -> Result) rethrows -> Result {
        set()
        defer { cts_calls_clear() }
        return try body()
    }

    /// The calls by which an engine gives requests to the kernel, or makes the threads that do
    /// them.
    static func submission(
        of engine: EngineKind, error: CInt, count: Int64 = -1
    ) -> CallFault {
        switch engine {
        case .ioURing: CallFault(CTS_CALL_URING_SUBMIT, error: error, count: count)
        case .linuxAIO: CallFault(CTS_CALL_AIO_SUBMIT, error: error, count: count)
        case .threadPool: CallFault(CTS_CALL_CREATE_THREAD, error: error, count: count)
        default: preconditionFailure("no submission of \(engine) is known")
        }
    }
}
