/// Bits 2:0 of the interrupt reason of a packet device, in the sector count register
/// (ATA/ATAPI-6 7.14).
enum ReasonRegister {
    /// C/D: the drive asks for the packet.
    static let packet: UInt8 = 1
    /// I/O: data for the host.
    static let dataIn: UInt8 = 2
    /// Both: the command has ended.
    static let status: UInt8 = 3
}
