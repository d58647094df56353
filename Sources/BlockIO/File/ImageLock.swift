import BlockHost
import CBlockIO
import Glibc

/// Advisory image locks on open file descriptions, in the layout that QEMU uses, so that an image
/// is protected against QEMU and qemu-img too.
///
/// fcntl(2) F_OFD_SETLK read locks on single bytes state what an opener does (100 + permission)
/// and what it does not tolerate in others (200 + permission). One states first and then tests
/// for conflict, so of two that race both may be refused, but never both be let in. The bases are
/// RAW_LOCK_PERM_BASE and RAW_LOCK_SHARED_BASE of QEMU's block/file-posix.c, the permissions its
/// BLK_PERM_* bits (include/block/block-common.h).
enum ImageLock {
    private struct Permissions: OptionSet {
        let rawValue: UInt8
        static let consistentRead = Permissions(rawValue: 1 << 0)
        static let write = Permissions(rawValue: 1 << 1)
        static let resize = Permissions(rawValue: 1 << 3)

        var bits: [UInt64] { (0..<8).filter { rawValue & (1 << $0) != 0 }.map { UInt64($0) } }
    }

    private static let usedBase: UInt64 = 100
    private static let refusedBase: UInt64 = 200

    /// How long, in nanoseconds, to try for a lock that no living process is seen to hold, and how many
    /// microseconds to wait between. It is time that counts: a look at all processes may take long.
    private static let patience: UInt64 = 1_000_000_000
    private static let pause: useconds_t = 10_000

    /// Takes the lock for an open file description.
    ///
    /// After a process was killed the kernel ends its requests in the background, and until then
    /// they keep its locks: a lock that no living process is found to hold is tried again for a
    /// second. A living process that is found to hold it is reported at once.
    static func take(
        _ lock: OpenOptions.Lock, access: OpenOptions.Access, descriptor: CInt, path: Pathname
    ) throws(BlockError) {
        let start = monotonicNanoseconds()
        while true {
            if try takeOnce(lock, access: access, descriptor: descriptor, path: path) { return }
            // What this has taken so far must not be in the way of others meanwhile.
            release(descriptor: descriptor)
            let holders = LockHolders.of(descriptor: descriptor)
            let isOver = monotonicNanoseconds() &- start >= patience
            if isOver || holders.contains(where: { !$0.isKilled }) {
                throw conflict(with: lock, holders: holders, path: path)
            }
            usleep(pause)
        }
    }

    /// False when a lock of somebody else is in the way.
    private static func takeOnce(
        _ lock: OpenOptions.Lock, access: OpenOptions.Access, descriptor: CInt, path: Pathname
    ) throws(BlockError) -> Bool {
        let refused: Permissions
        switch lock {
        case .off: return true
        case .shared: refused = [.write, .resize]
        case .exclusive: refused = [.consistentRead, .write, .resize]
        }
        let used: Permissions =
            access == .readWrite ? [.consistentRead, .write, .resize] : [.consistentRead]

        for byte in used.bits.map({ usedBase + $0 }) + refused.bits.map({ refusedBase + $0 }) {
            let result = cbio_lock_shared(descriptor, byte, 1)
            if result == -EAGAIN || result == -EACCES { return false }
            guard result == 0 else { throw unavailable(-result, path: path) }
        }
        for byte in refused.bits.map({ usedBase + $0 }) + used.bits.map({ refusedBase + $0 }) {
            let result = cbio_lock_test_exclusive(descriptor, byte, 1)
            guard result >= 0 else { throw unavailable(-result, path: path) }
            if result > 0 { return false }
        }
        return true
    }

    /// Drops whatever `take` took.
    static func release(descriptor: CInt) {
        _ = cbio_lock_drop(descriptor, usedBase, refusedBase + 8 - usedBase)
    }

    private static func unavailable(_ errno: CInt, path: Pathname) -> BlockError {
        BlockError(.lockUnavailable, errno: errno, operation: .open, image: path.description)
    }

    private static func conflict(
        with lock: OpenOptions.Lock, holders: [LockHolders.Holder], path: Pathname
    ) -> BlockError {
        let who =
            holders.isEmpty
            ? "a process that this one cannot see, or by requests of a process that was killed,"
            : holders.map { $0.isKilled ? "\($0.name), which was killed," : $0.name }
                .joined(separator: ", ")
        let wanted = lock == .exclusive ? "exclusive" : "shared"
        return BlockError(
            .locked, errno: EAGAIN, operation: .open, image: path.description,
            detail: "a lock held by \(who) excludes the \(wanted) lock asked for")
    }
}
