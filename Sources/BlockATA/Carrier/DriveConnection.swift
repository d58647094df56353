import BlockHost

/// How a drive is connected to its carrier.
///
/// `@safe`, because the registers are reached by tag, and a tag is less than ``tags``: carriers
/// choose tags, and guests do not.
@safe package struct DriveConnection {
    /// The number of the drive among those of its carrier: 0 or 1 on an IDE channel.
    package let device: Int
    /// How many tags there are: commands have the tags 0 to `tags` - 1.
    package let tags: Int
    /// The carrier's registers for the drive, one element for each tag. They must stay as long as the
    /// drive.
    private let registers: UnsafeMutablePointer<DriveRegisters>
    /// IDENTIFY word 93, the result of a hardware reset (ATA/ATAPI-6 8.15.53): what the drive found
    /// out about its cable, 0 on a serial one.
    package let cable: UInt16

    /// A connection with these properties.
    package init(
        device: Int, tags: Int, registers: UnsafeMutablePointer<DriveRegisters>, cable: UInt16
    ) {
        self.device = device
        self.tags = tags
        unsafe self.registers = unsafe registers
        self.cable = cable
    }

    /// The carrier's registers for the command of a tag.
    @inline(__always)
    func registers(of tag: Int) -> StablePointer<DriveRegisters> {
        unsafe StablePointer(registers + tag)
    }
}
