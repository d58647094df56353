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

    /// Takes the lock for an open file description.
    static func take(
        _ lock: OpenOptions.Lock, access: OpenOptions.Access, descriptor: CInt, path: String
    ) throws(BlockError) {
        let refused: Permissions
        switch lock {
        case .off: return
        case .shared: refused = [.write, .resize]
        case .exclusive: refused = [.consistentRead, .write, .resize]
        }
        let used: Permissions =
            access == .readWrite ? [.consistentRead, .write, .resize] : [.consistentRead]

        for byte in used.bits.map({ usedBase + $0 }) + refused.bits.map({ refusedBase + $0 }) {
            let result = cbio_lock_shared(descriptor, byte, 1)
            if result == -EAGAIN || result == -EACCES {
                throw conflict(with: lock, descriptor: descriptor, path: path)
            }
            guard result == 0 else { throw unavailable(-result, path: path) }
        }
        for byte in refused.bits.map({ usedBase + $0 }) + used.bits.map({ refusedBase + $0 }) {
            let result = cbio_lock_test_exclusive(descriptor, byte, 1)
            guard result >= 0 else { throw unavailable(-result, path: path) }
            guard result == 0 else {
                throw conflict(with: lock, descriptor: descriptor, path: path)
            }
        }
    }

    /// Drops whatever `take` took.
    static func release(descriptor: CInt) {
        _ = cbio_lock_drop(descriptor, usedBase, refusedBase + 8 - usedBase)
    }

    private static func unavailable(_ errno: CInt, path: String) -> BlockError {
        BlockError(.lockUnavailable, errno: errno, operation: .open, image: path)
    }

    private static func conflict(
        with lock: OpenOptions.Lock, descriptor: CInt, path: String
    ) -> BlockError {
        let holders = LockHolders.of(descriptor: descriptor)
        let who = holders.isEmpty ? "another process" : holders.joined(separator: ", ")
        let wanted = lock == .exclusive ? "exclusive" : "shared"
        return BlockError(
            .locked, errno: EAGAIN, operation: .open, image: path,
            detail: "a lock held by \(who) excludes the \(wanted) lock asked for")
    }
}
