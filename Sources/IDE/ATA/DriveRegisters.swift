/// What a host sees of one of the two devices of a channel, present or not.
struct DriveRegisters {
    var taskFile = TaskFile()
    var status: UInt8 = 0
    var error: UInt8 = 0
    var window = PIOWindow()
    /// A DMA command has been given and waits for the bus master to be started.
    var isArmed = false

    /// Writes to the command block are lost while this is so (ATA/ATAPI-6 7.2).
    var isOccupied: Bool { status & (Status.busy | Status.dataRequest) != 0 }

    /// Shows a signature (ATA/ATAPI-6 9.12). Nothing of an earlier command is left.
    mutating func show(_ signature: Signature) {
        let device = taskFile.device & ~DeviceRegister.head
        taskFile = TaskFile()
        taskFile.count.current = signature.count
        taskFile.lbaLow.current = signature.lbaLow
        taskFile.lbaMid.current = signature.lbaMid
        taskFile.lbaHigh.current = signature.lbaHigh
        taskFile.device = device
        status = signature.status
        error = ErrorBits.passed
        window.close()
        isArmed = false
    }
}

/// A block of data on its way through the data port.
struct PIOWindow {
    /// Which way the host moves it.
    enum Direction: UInt8, CaseIterable {
        /// The window is closed.
        case none
        /// From drive to host.
        case toHost
        /// From host to drive.
        case toDrive
    }

    private(set) var direction = Direction.none
    private(set) var base: UnsafeMutableRawPointer?
    private(set) var position = 0
    private(set) var end = 0

    var left: Int { end &- position }

    /// `count` bytes at `base`, an even number, of which `position` have been moved.
    mutating func open(
        _ direction: Direction, _ base: UnsafeMutableRawPointer, count: Int, position: Int = 0
    ) {
        self.direction = direction
        self.base = base
        self.position = position
        end = count
    }

    mutating func close() {
        direction = .none
        base = nil
        position = 0
        end = 0
    }

    /// The next word; 0 when there is none.
    mutating func takeWord() -> UInt16 {
        guard direction == .toHost, left >= 2, let base else { return 0 }
        defer { position &+= 2 }
        return UInt16(littleEndian: base.loadUnaligned(fromByteOffset: position, as: UInt16.self))
    }

    /// False when no word is wanted.
    mutating func putWord(_ word: UInt16) -> Bool {
        guard direction == .toDrive, left >= 2, let base else { return false }
        base.storeBytes(of: word.littleEndian, toByteOffset: position, as: UInt16.self)
        position &+= 2
        return true
    }

    /// Moves up to `target.count` bytes out of the window; how many it were.
    mutating func take(into target: UnsafeMutableRawBufferPointer) -> Int {
        guard direction == .toHost, let base, let out = target.baseAddress else { return 0 }
        let count = min(left, target.count)
        out.copyMemory(from: base + position, byteCount: count)
        position &+= count
        return count
    }

    /// Moves up to `source.count` bytes into the window; how many it were.
    mutating func put(from source: UnsafeRawBufferPointer) -> Int {
        guard direction == .toDrive, let base, let bytes = source.baseAddress else { return 0 }
        let count = min(left, source.count)
        (base + position).copyMemory(from: bytes, byteCount: count)
        position &+= count
        return count
    }
}
