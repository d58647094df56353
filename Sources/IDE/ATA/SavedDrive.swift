/// A drive out of a saved state that has been checked, and can be taken over.
struct SavedDrive {
    /// What the drive is doing.
    let activity: Activity
    /// The drive's side of the data port.
    let window: PIOWindow
    /// Makes the drive the saved one. Its registers are the channel's to set.
    let apply: () -> Void

    /// What a drive is doing while the host does nothing for it; the registers of the channel must agree
    /// with it.
    enum Activity: Equatable {
        /// No command is under way.
        case idle
        /// The data port is open.
        case movingData
        /// A DMA command waits for START.
        case armed
        /// A host request without DMA waits for ``IDEController/resume()``.
        case parked
        /// A DMA command of so many bytes waits for ``IDEController/resume()``: it runs again with the
        /// descriptor table of the state.
        case parkedTransfer(bytes: UInt64)
    }
}

/// The position of the data port as it is in a saved state.
struct SavedWindow: Equatable {
    var direction = PIOWindow.Direction.none
    /// First byte of the window, counted from the start of the drive's buffer.
    var offset = 0
    /// Bytes that have been moved.
    var position = 0
    /// Bytes in the window.
    var end = 0

    /// The window of a drive that has none open.
    static let closed = SavedWindow()

    var isOpen: Bool { direction != .none }

    /// With `hasOffset` the offset is in the state; otherwise it is 0.
    init(_ reader: inout StateReader, hasOffset: Bool) throws(IDEError) {
        guard let direction = PIOWindow.Direction(rawValue: try reader.take()) else {
            throw .damagedState("a window without direction")
        }
        self.direction = direction
        offset = hasOffset ? Int(try reader.take(UInt32.self)) : 0
        position = Int(try reader.take(UInt32.self))
        end = Int(try reader.take(UInt32.self))
        // The host moves whole words, and a window of which all is moved is closed.
        guard isOpen ? position < end && position % 2 == 0 && end % 2 == 0 : self == .closed
        else { throw .damagedState("a window of \(position) to \(end)") }
    }

    private init() {}

    /// The window on the buffer at `base`.
    func onBuffer(_ base: UnsafeMutableRawPointer) -> PIOWindow {
        var window = PIOWindow()
        if isOpen { window.open(direction, base + offset, count: end, position: position) }
        return window
    }
}
