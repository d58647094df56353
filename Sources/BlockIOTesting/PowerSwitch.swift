public import Glibc
import Synchronization

/// Takes a device away and gives it back: see ``QueueDecorator/powered(by:)``. Safe to share.
///
/// While it is off, engine submissions fail and the engine is not asked. What the engine had when the power
/// went may have been done, in part or in whole, or not; it fails when the engine is done with it. What was
/// written and is kept only in a volatile cache is lost where the medium has one: a ``VolatileDisk`` loses it in
/// ``VolatileDisk/cutPower()``, a file of the host loses nothing.
public final class PowerSwitch: Sendable {
    /// How often the switch was used: an odd number means off.
    private let position = Atomic<Int>(0)
    /// What engine submissions fail with.
    public let errno: CInt

    /// A switch that is on. While it is off, engine submissions fail with `errno`.
    public init(errno: CInt = EIO) { self.errno = errno }

    /// Whether submissions reach the engine.
    public var isOn: Bool { position.load(ordering: .acquiring) & 1 == 0 }

    /// Turns the power off.
    public func cut() { turn(on: false) }

    /// Turns it on again. Flushes go on to fail if one failed before: see
    /// `BlockQueue/flush(userData:)`.
    public func restore() { turn(on: true) }

    private func turn(on isWanted: Bool) {
        let now = position.load(ordering: .acquiring)
        if (now & 1 == 0) == isWanted { return }
        // Whoever comes first wins: both want the same.
        _ = position.compareExchange(
            expected: now, desired: now + 1, ordering: .acquiringAndReleasing)
    }

    /// How often the switch has been used.
    var uses: Int { position.load(ordering: .acquiring) }
}
