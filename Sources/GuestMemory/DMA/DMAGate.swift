/// What a bus puts between a device and memory: while it is closed, no DMA of the device begins.
///
/// A transfer that is begun then fails with ``GuestMemoryError/Code/gateClosed``. One that has begun before
/// goes on. A gate belongs to the thread that uses the mappers behind it.
public final class DMAGate {
    let state: UnsafeMutablePointer<Bool>

    /// A gate for the mappers of a device.
    public init(isOpen: Bool) {
        state = .allocate(capacity: 1)
        state.initialize(to: isOpen)
    }

    deinit { state.deallocate() }

    /// Whether DMA can begin.
    public var isOpen: Bool {
        get { state.pointee }
        set { state.pointee = newValue }
    }
}
