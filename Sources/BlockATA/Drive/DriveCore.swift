import BlockDMA

/// What both kinds of drive have: a connection, host requests and a buffer.
struct DriveCore {
    /// How the drive is connected to its carrier.
    let connection: DriveConnection
    /// The host request of each tag.
    let host: UnsafeMutablePointer<HostRequest>
    /// How the transfer of each tag has ended, until the carrier is told with the end of the command.
    let transferEnds: UnsafeMutablePointer<CommandEnd.Transfer?>
    /// Data that the drive moves itself: PIO blocks, data that READ VERIFY reads, lists of ranges
    /// and parameters.
    let buffer: UnsafeMutableRawPointer

    init(_ connection: DriveConnection, bufferSize: Int) {
        self.connection = connection
        host = .allocate(capacity: connection.tags)
        for tag in 0..<connection.tags { (host + tag).initialize(to: HostRequest(tag: UInt(tag))) }
        transferEnds = .allocate(capacity: connection.tags)
        transferEnds.initialize(repeating: nil, count: connection.tags)
        buffer = .allocate(byteCount: bufferSize, alignment: 4096)
        buffer.initializeMemory(as: UInt8.self, repeating: 0, count: bufferSize)
    }

    func deallocate() {
        host.deinitialize(count: connection.tags)
        host.deallocate()
        transferEnds.deallocate()
        buffer.deallocate()
    }

    /// Whether the host may still touch memory for the drive.
    var isBusy: Bool {
        for tag in 0..<connection.tags where host[tag].isBusy { return true }
        return false
    }

    /// Becomes what a saved state says of the command of tag 0.
    func load(isParked: Bool) {
        host.pointee.commandEnded()
        if isParked { host.pointee.park() }
    }
}
