import ArgumentParser
import BlockIO
import CommandLineSupport
import Glibc

/// `ide-machine`: a machine without a processor, for tests that act as the processor; or its IDE
/// controller alone, for an emulator that has the rest of the machine.
///
/// The exit status is 2 when the command line is wrong, 1 when something failed, else 0.
@main
struct IDEMachine: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ide-machine",
        abstract:
            "A PC's IDE controller without a CPU, driven by QEMU's qtest protocol or used by QEMU itself.",
        version: PackageVersion.current)

    @OptionGroup var options: MachineOptions

    @Option(
        help: ArgumentHelp(
            "Connect to the socket that listens at PATH, and execute the qtest commands from it.",
            valueName: "unix:PATH"),
        transform: SocketPath.init(parsing:))
    var qtest: SocketPath?

    @Option(
        help: ArgumentHelp(
            "Connect to the socket that listens at PATH, and execute the QMP commands from it.",
            valueName: "unix:PATH"),
        transform: SocketPath.init(parsing:))
    var qmp: SocketPath?

    @Option(
        help: ArgumentHelp(
            "Listen at PATH, and serve the controller to QEMU's vfio-user-pci, which brings the "
                + "memory and the rest of the machine.", valueName: "PATH"),
        transform: SocketPath.init(path:))
    var vfioUser: SocketPath?

    @Flag(help: "With --vfio-user: print counters to standard error when a peer disconnects.")
    var statistics = false

    func validate() throws {
        if vfioUser != nil {
            guard qtest == nil, qmp == nil else {
                throw ValidationError("--vfio-user and --qtest or --qmp exclude each other")
            }
            guard !options.describesMemory else {
                throw ValidationError(
                    "--hole, --rom, --mmio and --self-mmio cannot be used with --vfio-user: the peer "
                        + "brings the memory")
            }
            return
        }
        guard qtest != nil else {
            throw ValidationError("one of --qtest and --vfio-user is needed")
        }
        guard options.pciID != .cmd646 else {
            throw ValidationError("1095:0646 is for --vfio-user only")
        }
    }

    mutating func run() throws {
        let termination = try SignalDescriptor.termination()
        if let vfioUser {
            let face = try VFIOUserFace(options, path: vfioUser.pathname, reports: statistics)
            return try face.run(until: termination)
        }
        guard let qtest else { return }
        let machine = try QtestMachine(options)
        let face = try QtestFace(machine, qtest: qtest, qmp: qmp)
        try face.run(until: termination)
    }

    static func main() { runProgram(usageStatus: 2) }
}
