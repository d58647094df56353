import BlockHost

/// A gate of a bus between a device and memory: while it is closed, no DMA of the device can begin.
///
/// A transfer that begins while the gate is closed fails with ``GuestMemoryError/Code/gateClosed``.
/// A transfer that began before continues. A gate belongs to the thread that uses the mappers
/// behind it.
public final class DMAGate {
    let state: StablePointer<Bool>

    /// A gate for the mappers of a device.
    public init(isOpen: Bool) {
        state = StablePointer(allocating: isOpen)
    }

    deinit { unsafe state.destroy() }

    /// Whether DMA can begin.
    public var isOpen: Bool {
        get { state.pointee }
        set { state.pointee = newValue }
    }
}
