import Glibc
@testable import TestSupport

/// The descriptors this process has open, found without opening one.
enum OpenDescriptors {
    /// The numbers below 1024 that are in use.
    static func numbers() -> [CInt] {
        (0..<1024).filter { fcntl($0, F_GETFD) >= 0 }
    }

    /// Limits this process to numbers below `limit` (RLIMIT_NOFILE), where open ones stay open.
    static func limit(to limit: Int) throws {
        var current = rlimit()
        try SystemCall.check(
            SystemCall.result(getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &current)),
            "getrlimit")
        current.rlim_cur = rlim_t(limit)
        try SystemCall.check(
            SystemCall.result(setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &current)),
            "setrlimit to \(limit) descriptors")
    }
}
