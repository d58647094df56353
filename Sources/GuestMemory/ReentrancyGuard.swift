import Glibc
import Synchronization

/// Keeps DMA from calling back into the device that does it.
///
/// A device has one, gives it to its ``DMAMapper`` and to the regions of its own registers. While
/// the mapper copies for the device, an access to such a region from the same thread is refused
/// with ``GuestMemoryError/Code/reentrant``, also by way of another device's registers; other
/// threads are not concerned.
public final class ReentrancyGuard: Sendable {
    /// pthread_self(3) of the thread inside, 0 when there is none.
    private let thread = Atomic<UInt>(0)

    /// A guard for a new device.
    public init() {}

    /// Whether this thread is copying for the device. A device whose registers are reached in
    /// other ways than through an address space asks before it acts on a register.
    public var isEntered: Bool { thread.load(ordering: .relaxed) == pthread_self() }

    func enter() { thread.store(pthread_self(), ordering: .relaxed) }

    func leave() { thread.store(0, ordering: .relaxed) }
}
