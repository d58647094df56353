/// A block of data that the guest moves through the data port. The members are `@usableFromInline`
/// so that a carrier in another target moves a word without a call.
///
/// `@safe`, because a window lies inside the buffer of its drive, and because what moves data
/// compares with ``end`` first. A drive outlives the registers of its commands.
@safe @usableFromInline package struct PIOWindow {
    /// Which way the guest moves it, which the standard calls the host.
    @usableFromInline package enum Direction: UInt8, CaseIterable, Sendable {
        /// The window is closed.
        case none
        /// From drive to host.
        case toHost
        /// From host to drive.
        case toDrive
    }

    @usableFromInline package internal(set) var direction = Direction.none
    @usableFromInline var base: UnsafeMutableRawPointer?
    @usableFromInline package internal(set) var position = 0
    @usableFromInline package internal(set) var end = 0

    package init() {}

    @inlinable package var left: Int { end &- position }

    /// `count` bytes of `buffer` from `place` on, an even number, of which `position` have been moved.
    mutating func open(
        _ direction: Direction, _ buffer: DriveBuffer, at place: Int = 0, count: Int,
        position: Int = 0
    ) {
        self.direction = direction
        unsafe base = unsafe buffer.address(of: place, count: count)
        self.position = position
        end = count
    }

    /// Where in `buffer` the window begins; 0 when it is closed.
    func place(in buffer: DriveBuffer) -> Int {
        unsafe base.map { unsafe buffer.place(of: $0) } ?? 0
    }

    @inlinable package mutating func close() {
        direction = .none
        unsafe base = nil
        position = 0
        end = 0
    }

    /// The next word; 0 when there is none.
    @inlinable package mutating func takeWord() -> UInt16 {
        guard direction == .toHost, left >= 2, let base = unsafe base else { return 0 }
        defer { position &+= 2 }
        return unsafe UInt16(
            littleEndian: base.loadUnaligned(fromByteOffset: position, as: UInt16.self))
    }

    /// False when no word is wanted.
    @inlinable package mutating func putWord(_ word: UInt16) -> Bool {
        guard direction == .toDrive, left >= 2, let base = unsafe base else { return false }
        unsafe base.storeBytes(of: word.littleEndian, toByteOffset: position, as: UInt16.self)
        position &+= 2
        return true
    }

    /// Moves up to `target.count` bytes out of the window, and returns how many.
    package mutating func take(into target: UnsafeMutableRawBufferPointer) -> Int {
        guard direction == .toHost, let base = unsafe base, let out = target.baseAddress else {
            return 0
        }
        let count = min(left, target.count)
        unsafe out.copyMemory(from: base + position, byteCount: count)
        position &+= count
        return count
    }

    /// Moves up to `source.count` bytes into the window, and returns how many.
    package mutating func put(from source: UnsafeRawBufferPointer) -> Int {
        guard direction == .toDrive, let base = unsafe base, let bytes = source.baseAddress else {
            return 0
        }
        let count = min(left, source.count)
        unsafe (base + position).copyMemory(from: bytes, byteCount: count)
        position &+= count
        return count
    }
}
