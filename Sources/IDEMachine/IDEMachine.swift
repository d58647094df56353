import ArgumentParser
import BlockIO
import CommandLineSupport
import Glibc

/// `ide-machine`: a machine without a processor, for tests that play the processor; or its IDE
/// controller alone, for an emulator that has all the rest.
///
/// The exit status is 2 when the command line is wrong, 1 when something failed, else 0.
@main
struct IDEMachine: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ide-machine",
        abstract:
            "A PC's IDE function without a CPU, driven by QEMU's qtest or used by QEMU itself.",
        version: PackageVersion.current)

    @OptionGroup var options: MachineOptions

    @Option(
        help: ArgumentHelp(
            "Connect to this listening socket and take qtest commands.", valueName: "unix:PATH"),
        transform: SocketPath.init(parsing:))
    var qtest: SocketPath?

    @Option(
        help: ArgumentHelp(
            "Connect to this listening socket and take QMP commands.", valueName: "unix:PATH"),
        transform: SocketPath.init(parsing:))
    var qmp: SocketPath?

    @Option(
        help: ArgumentHelp(
            "Listen at this socket and serve the controller to QEMU's vfio-user-pci, which brings "
                + "memory and everything else.", valueName: "PATH"),
        transform: SocketPath.init(path:))
    var vfioUser: SocketPath?

    @Flag(help: "With --vfio-user: print what was done for each peer to standard error.")
    var statistics = false

    func validate() throws {
        if vfioUser != nil {
            guard qtest == nil, qmp == nil else {
                throw ValidationError("--vfio-user and --qtest or --qmp exclude each other")
            }
            guard !options.describesMemory else {
                throw ValidationError(
                    "--hole, --rom, --mmio and --self-mmio are about memory that is not here with "
                        + "--vfio-user")
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
        let termination = try TerminationSignal()
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
