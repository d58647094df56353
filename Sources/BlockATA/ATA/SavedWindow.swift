internal import BlockState

/// A ``PIOWindow`` as it is in a saved state.
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

    /// The window of a drive that has none open.
    init() {}

    /// What is open of `buffer`.
    init(_ window: PIOWindow, on buffer: DriveBuffer) {
        direction = window.direction
        offset = window.place(in: buffer)
        position = window.position
        end = window.end
    }

    /// The window on `buffer`.
    func onBuffer(_ buffer: DriveBuffer) -> PIOWindow {
        var window = PIOWindow()
        if isOpen {
            window.open(direction, buffer, at: offset, count: end, position: position)
        }
        return window
    }
}

extension SavedWindow: StateFields {
    mutating func fields(_ codec: inout some StateCodec) throws(StateError) {
        try codec.choice(&direction, "direction")
        try codec.number(&offset, "offset", as: UInt32.self)
        try codec.number(&position, "position", as: UInt32.self)
        try codec.number(&end, "end", as: UInt32.self)
        // The guest moves whole words, and a window is closed when all of it has been moved.
        try codec.check(
            "position",
            "even and less than `end`, which is even; all are 0 if `direction` is none",
            isOpen ? position < end && position % 2 == 0 && end % 2 == 0 : self == .closed)
    }
}
