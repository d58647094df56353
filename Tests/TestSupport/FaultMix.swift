import BlockIO
import BlockIOTesting
import Glibc

/// Every fault that a request survives, and some that it does not, each now and then.
enum FaultMix {
    /// The errno values that requests may fail with.
    static let fatal: Set<CInt> = [EIO, ENOSPC]

    /// An injector with all of them. Lengths and places vary with the seed.
    static func make(seed: UInt64) -> FaultInjector {
        var random = SplitMix64(seed: seed)
        let injector = FaultInjector(seed: random.next())
        let transfers: Set<BlockIO.BlockOperation> = [.read, .write]
        for errno in [EINTR, EAGAIN] { injector.add(.init(.error(errno), probability: 0.02)) }
        // More than a short answer a request: it has to come through many of them.
        for limit in [1, random.number(2...511), random.number(513...4095), 4097, 9999] {
            injector.add(.init(.short(limit), operations: transfers, probability: 0.02))
        }
        injector.add(.init(.short(0), operations: transfers, probability: 0.003))
        injector.add(.init(.error(EIO), probability: 0.01))
        injector.add(.init(.error(ENOSPC), operations: [.write], probability: 0.005))
        injector.add(
            .init(.error(EOPNOTSUPP), operations: [.discard, .writeZeroes], probability: 0.2))
        injector.add(.init(.reorder, probability: 0.1))
        injector.add(.init(.refuse, probability: 0.02))
        injector.add(.init(.delay(.microseconds(50)), probability: 0.02))
        injector.add(.init(.hold, probability: 0.03))
        return injector
    }
}
