import ArgumentParser
import GuestMemory
import IDE

/// What a machine is made of. The command line's options that describe it, whatever its face.
struct MachineOptions: ParsableArguments {
    @Option(parsing: .unconditional, help: "Guest RAM in MiB, at address 0.")
    var memory = 128

    @Option(
        help: ArgumentHelp(
            "A drive, with options separated by commas: media=disk|cdrom, engine=auto|io_uring|"
                + "libaio|threads, direct=on|off, readonly=off|on, lock=exclusive|shared|off, "
                + "rerror= and werror=report|ignore|stop|enospc, serial=TEXT, firmware=TEXT, and "
                + "for a disk cyls=N,heads=N,secs=N, all three or none. The first of each is the "
                + "default, but werror=enospc (with --vfio-user report), a CD is read-only, and "
                + "what is read-only has lock=shared. "
                + "PATH may be empty for a CD drive without a disc; a comma in it is doubled. SLOT is \(IDESlot.names).",
            valueName: "SLOT=PATH[,OPTION=VALUE...]"),
        transform: DriveSpecification.init(parsing:))
    var drive: [DriveSpecification] = []

    @Option(
        parsing: .unconditional,
        help: "Bytes that bounce at a time, in both layers: a power of two from 512 on.")
    var bounceLimit = 1 << 20

    @Flag(help: "All DMA passes through the bounce buffer.")
    var forceBounce = false

    @Option(help: "Whether finished DMA transfers are kept to be used again: on or off.")
    var dmaCache = OnOff.on

    @Option(
        help: ArgumentHelp("Addresses with nothing behind them.", valueName: "BASE+SIZE"),
        transform: RegionSpecification.init(parsing:))
    var hole: [RegionSpecification] = []

    @Option(
        help: ArgumentHelp("Memory of zeroes that cannot be written.", valueName: "BASE+SIZE"),
        transform: RegionSpecification.init(parsing:))
    var rom: [RegionSpecification] = []

    @Option(
        help: ArgumentHelp(
            "A device's registers that keep their bytes; never mapped directly.",
            valueName: "BASE+SIZE"),
        transform: RegionSpecification.init(parsing:))
    var mmio: [RegionSpecification] = []

    @Option(
        help: ArgumentHelp("The bus-master registers once more, as memory.", valueName: "BASE"),
        transform: {
            guard let base = number($0).map({ GuestAddress($0) }), base.advanced(by: 15) != nil
            else {
                throw ValidationError("'\($0)' is no address")
            }
            return base
        })
    var selfMmio: GuestAddress?

    @Option(help: "What the controller says it is.")
    var pciID = PCIID.piix3

    /// Options that say what is in the machine's own memory, which it has none of when another process
    /// brings the memory.
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
