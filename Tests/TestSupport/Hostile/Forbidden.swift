import CTestSupport

/// A system call that this library uses and that a process can be forbidden.
enum Forbidden: String {
    case ioURing = "io_uring_setup"
    case ioURingEnter = "io_uring_enter"
    case ioURingRegister = "io_uring_register"
    case linuxAIO = "io_setup"
    /// Only calls that submit: others post completions and wait.
    case ioURingSubmission = "io_uring_enter with entries"
    case membarrier = "membarrier"

    /// From now on the call answers `errno` to this process, which cannot undo it.
    func forbid(_ errno: CInt) throws {
        let call =
            switch self {
            case .ioURing: CTS_FORBID_IO_URING
            case .ioURingEnter: CTS_FORBID_IO_URING_ENTER
            case .ioURingRegister: CTS_FORBID_IO_URING_REGISTER
            case .linuxAIO: CTS_FORBID_AIO
            case .ioURingSubmission: CTS_FORBID_IO_URING_SUBMISSION
            case .membarrier: CTS_FORBID_MEMBARRIER
            }
        try SystemCall.check(cts_forbid(call, errno), "seccomp of \(rawValue)")
    }
}
