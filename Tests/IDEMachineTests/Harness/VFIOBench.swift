import Glibc

@testable import TestSupport

/// An `ide-machine` on the vfio-user face, in its own process.
final class VFIOBench: VFIODriver {
    let machine: MachineProcess

    /// Starts a machine and connects. The image is a new one of `size` bytes, or `image`; `drive` is
    /// what else is said of the drive.
    init(
        _ options: [String] = [], shares: Bool = true, engine: String = "auto", size: Int = 1 << 20,
        image: String? = nil, drive: String = ""
    ) throws {
        let directory = try orSkip(TemporaryDirectory(in: ScratchSpace.directoryWithDirectIO()))
        let disk = image ?? directory.path("disk.img")
        if image == nil { try Bench.makeDisk(disk, size: size) }
        let path = directory.path("socket")
        let machine = try MachineProcess(
            ["--vfio-user", path, "--statistics"]
                + ["--drive", "primary-master=\(disk),engine=\(engine)\(drive)"]
                + options)
        self.machine = machine
        try super.init(directory)
        try eventually("ide-machine listens") {
            access(path, F_OK) == 0 || !machine.isRunning
        }
        try connect(shares: shares)
    }

    /// SIGTERM: the counters it prints, as a word after another.
    func end() throws -> Set<String> {
        machine.signal(SIGTERM)
        let (status, errors) = try machine.end()
        guard status == 0 else { throw FixtureError.failed("status \(status): \(errors)") }
        let lines = errors.split(separator: "\n").suffix(2)
        return Set(lines.flatMap { $0.split(separator: " ").map(String.init) })
    }
}
