import CGuestMemory

/// Keeps DMA from calling back into the device that does it.
///
/// A device has one, gives it to each ``DMAMapper`` of its own and to the regions of its own
/// registers. While a mapper copies or looks up addresses for the device, an access to such a region
/// from the same thread is refused with ``GuestMemoryError/Code/reentrant``, also by way of another
/// device's registers; other threads are not concerned.
public final class ReentrancyGuard: Sendable {
    /// A guard for a new device.
    public init() {}

    /// Whether this thread is at work for the device. A device whose registers are reached in other
    /// ways than through an address space asks before it acts on a register.
    @inlinable public var isEntered: Bool { cguestmemory_is_inside(identity) }

    @inlinable var identity: UnsafeRawPointer {
        UnsafeRawPointer(Unmanaged.passUnretained(self).toOpaque())
    }

    /// Runs `body` inside of a guard, if there is one.
    static func within<Result, Failure: Error>(
        _ own: ReentrancyGuard?, _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        guard let own else { return try body() }
        var entry = cguestmemory_entry()
        return try withUnsafeMutablePointer(to: &entry) { (entry) throws(Failure) in
            cguestmemory_enter(entry, own.identity)
            defer { cguestmemory_leave(entry) }
            return try body()
        }
    }
}
