public import CGuestMemory

/// Prevents that the DMA of a device accesses the device's own registers.
///
/// A device has one guard. It gives the guard to each of its ``DMAMapper``s and to the regions of
/// its registers. While such a mapper copies data or translates addresses, an access to such a
/// region from the same thread is refused with ``GuestMemoryError/Code/reentrant``, even if it
/// comes through the registers of another device. Accesses from other threads are not refused.
public final class ReentrancyGuard: Sendable {
    /// A guard for a new device.
    public init() {}

    /// Whether this thread is inside DMA of the device. A device whose registers can be reached
    /// without an address space, for example through ports, checks it before it acts on an access.
    @inlinable public var isEntered: Bool { unsafe cguestmemory_is_inside(identity) }

    @inlinable var identity: UnsafeRawPointer {
        unsafe UnsafeRawPointer(Unmanaged.passUnretained(self).toOpaque())
    }

    /// Runs `body` inside of a guard, if there is one.
    static func within<Result, Failure: Error>(
        _ own: ReentrancyGuard?, _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        guard let own else { return try body() }
        var entry = unsafe cguestmemory_entry()
        return unsafe try withUnsafeMutablePointer(to: &entry) { (entry) throws(Failure) in
            unsafe cguestmemory_enter(entry, own.identity)
            defer { unsafe cguestmemory_leave(entry) }
            return try body()
        }
    }
}
