import Glibc

/// Results of system calls as thrown errors.
enum SystemCall {
    /// The result of a libc function that returns -1 and sets `errno`, as a result or -errno.
    static func result(_ value: Int32) -> Int32 {
        value < 0 ? -errno : value
    }

    /// Passes a result on, or throws what a negative errno means.
    @discardableResult
    static func check(_ result: Int32, _ call: @autoclosure () -> String) throws -> Int32 {
        guard result < 0 else { return result }
        throw FixtureError.failed("\(call()): \(message(result))")
    }

    /// Like ``check(_:_:)`` for a call that fails when the machine lacks `need`: the errors that
    /// say "not here" or "not permitted" throw ``FixtureError/missing(_:)``.
    @discardableResult
    static func require(
        _ result: Int32, _ call: @autoclosure () -> String, need: @autoclosure () -> String
    ) throws -> Int32 {
        let absent = [ENOENT, EACCES, EPERM, ENOSYS, ENODEV, ENXIO, EOPNOTSUPP, EINVAL]
        guard result < 0, absent.contains(-result) else { return try check(result, call()) }
        throw FixtureError.missing("\(need()) (\(call()): \(message(result)))")
    }

    private static func message(_ result: Int32) -> String {
        String(cString: strerror(-result))
    }
}
