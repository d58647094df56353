/// What both kinds of drive are made of.
struct DriveCore {
    /// How the drive is connected to its carrier.
    let connection: DriveConnection
    /// One element for each tag.
    let work: UnsafeMutablePointer<HostWork>
    /// Data that the drive moves itself: by PIO, for commands that only look at it, and lists.
    let buffer: UnsafeMutableRawPointer

    init(_ connection: DriveConnection, bufferSize: Int) {
        self.connection = connection
        work = .allocate(capacity: connection.tags)
        work.initialize(repeating: HostWork(), count: connection.tags)
        buffer = .allocate(byteCount: bufferSize, alignment: 4096)
        buffer.initializeMemory(as: UInt8.self, repeating: 0, count: bufferSize)
    }

    func deallocate() {
        work.deinitialize(count: connection.tags)
        work.deallocate()
        buffer.deallocate()
    }

    /// Whether the host has a request of the drive.
    var isInFlight: Bool {
        for tag in 0..<connection.tags where work[tag].isInFlight { return true }
        return false
    }

    /// Whether the host may still touch memory for the drive.
    var isBusy: Bool {
        for tag in 0..<connection.tags where work[tag].isBusy { return true }
        return false
    }
}
