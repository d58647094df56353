import ArgumentParser
import CommandLineSupport
import GuestMemory
import IDE

/// The options of the command line that describe the machine, for each way to drive it.
struct MachineOptions: ParsableArguments {
    @Option(parsing: .unconditional, help: "Guest RAM in MiB, at address 0.")
    var memory = 128

    @Option(
        help: ArgumentHelp(
            "A drive. Options follow the path, separated by commas: media=disk|cdrom, engine=auto|io_uring|"
                + "libaio|threads, direct=on|off, readonly=off|on, lock=exclusive|shared|off, "
                + "rerror= and werror=report|ignore|stop|enospc, serial=TEXT, firmware=TEXT, and "
                + "for a disk cyls=N,heads=N,secs=N, all three or none. The first value of an option "
                + "is the default, with these exceptions: werror is enospc (with --vfio-user: report), a "
                + "CD is read-only, and a read-only image has lock=shared. "
                + "PATH may be empty for a CD drive without a disc; a comma in PATH is written twice. "
                + "SLOT is \(IDESlot.names).",
            valueName: "SLOT=PATH[,OPTION=VALUE...]"),
        transform: DriveSpecification.init(parsing:))
    var drive: [DriveSpecification] = []

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "The size in bytes of the bounce buffers, for DMA and for each drive: a power of two "
                + "from 512 to 1 GiB."))
    var bounceLimit = 1 << 20

    @Flag(help: "Pass all DMA through bounce buffers.")
    var forceBounce = false

    @Option(help: "Whether DMA transfers that have ended are kept to be used again: on or off.")
    var dmaCache = OnOff.on

    @Option(
        help: ArgumentHelp(
            "A range of guest addresses with nothing behind it.", valueName: "BASE+SIZE"),
        transform: RegionSpecification.init(parsing:))
    var hole: [RegionSpecification] = []

    @Option(
        help: ArgumentHelp(
            "A range of ROM that reads as zeroes. Writes are lost.", valueName: "BASE+SIZE"),
        transform: RegionSpecification.init(parsing:))
    var rom: [RegionSpecification] = []

    @Option(
        help: ArgumentHelp(
            "A range of registers that keep what is written. DMA never reaches them directly.",
            valueName: "BASE+SIZE"),
        transform: RegionSpecification.init(parsing:))
    var mmio: [RegionSpecification] = []

    @Option(
        help: ArgumentHelp(
            "Make the bus-master registers accessible as memory, too.", valueName: "BASE"),
        transform: {
            guard let base = number($0).map({ GuestAddress($0) }), base.advanced(by: 15) != nil
            else {
                throw ValidationError("'\($0)' is not an address")
            }
            return base
        })
    var selfMmio: GuestAddress?

    @Option(help: "The PCI vendor and device number of the controller.")
    var pciID = PCIID.piix3

    /// Whether an option describes the machine's own memory. There is no such memory when another
    /// process brings it.
    var describesMemory: Bool {
        !hole.isEmpty || !rom.isEmpty || !mmio.isEmpty || selfMmio != nil
    }

    mutating func validate() throws {
        guard (1...1 << 20).contains(memory) else {
            throw ValidationError("--memory \(memory) is not 1 to \(1 << 20) MiB")
        }
        guard bounceLimit >= 512, bounceLimit <= 1 << 30, bounceLimit & (bounceLimit - 1) == 0
        else {
            throw ValidationError(
                "--bounce-limit \(bounceLimit) is not a power of two from 512 to 1 GiB")
        }
        for slot in IDESlot.allCases where drive.count(where: { $0.slot == slot }) > 1 {
            throw ValidationError("two drives for \(slot)")
        }
    }
}
