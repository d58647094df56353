/// A block of data on its way through the data port.
package struct PIOWindow {
    /// Which way the host moves it.
    package enum Direction: UInt8, CaseIterable {
        /// The window is closed.
        case none
        /// From drive to host.
        case toHost
        /// From host to drive.
        case toDrive
    }

    package private(set) var direction = Direction.none
    package private(set) var base: UnsafeMutableRawPointer?
    package private(set) var position = 0
    package private(set) var end = 0

    package init() {}

    package var left: Int { end &- position }

    /// `count` bytes at `base`, an even number, of which `position` have been moved.
    package mutating func open(
        _ direction: Direction, _ base: UnsafeMutableRawPointer, count: Int, position: Int = 0
    ) {
        self.direction = direction
        self.base = base
        self.position = position
        end = count
    }

    package mutating func close() {
        direction = .none
        base = nil
        position = 0
        end = 0
    }

    /// The next word; 0 when there is none.
    package mutating func takeWord() -> UInt16 {
        guard direction == .toHost, left >= 2, let base else { return 0 }
        defer { position &+= 2 }
        return UInt16(littleEndian: base.loadUnaligned(fromByteOffset: position, as: UInt16.self))
    }

    /// False when no word is wanted.
    package mutating func putWord(_ word: UInt16) -> Bool {
        guard direction == .toDrive, left >= 2, let base else { return false }
        base.storeBytes(of: word.littleEndian, toByteOffset: position, as: UInt16.self)
        position &+= 2
        return true
    }

    /// Moves up to `target.count` bytes out of the window; how many it were.
    package mutating func take(into target: UnsafeMutableRawBufferPointer) -> Int {
        guard direction == .toHost, let base, let out = target.baseAddress else { return 0 }
        let count = min(left, target.count)
        out.copyMemory(from: base + position, byteCount: count)
        position &+= count
        return count
    }

    /// Moves up to `source.count` bytes into the window; how many it were.
    package mutating func put(from source: UnsafeRawBufferPointer) -> Int {
        guard direction == .toDrive, let base, let bytes = source.baseAddress else { return 0 }
        let count = min(left, source.count)
        (base + position).copyMemory(from: bytes, byteCount: count)
        position &+= count
        return count
    }
}
