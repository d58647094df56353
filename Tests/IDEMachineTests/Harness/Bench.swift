import Glibc

@testable import TestSupport

/// A machine with drives that is driven through its sockets.
final class Bench {
    let directory: TemporaryDirectory
    let machine: MachineProcess
    let qtest: QtestClient
    let qmp: QMPClient

    /// Starts a machine. Of the options, `DIR` stands for a new directory, where a disk of `size`
    /// bytes, `disk.img`, is made first unless that is 0, and another one like it if it has a name.
    convenience init(_ options: [String] = [], size: Int = 0, other: String? = nil) throws {
        let directory = try orSkip(TemporaryDirectory(in: ScratchSpace.directoryWithDirectIO()))
        if size > 0 { try Bench.makeDisk(directory.path("disk.img"), size: size) }
        if let other { try Bench.makeDisk(directory.path(other), size: size) }
        try self.init(options, in: directory)
    }

    /// Starts a machine with the files of `directory`.
    init(_ options: [String] = [], in directory: TemporaryDirectory, name: String = "") throws {
        self.directory = directory
        let sockets = try ["qtest", "qmp"].map { try ListeningSocket(directory.path($0 + name)) }
        defer { for socket in sockets { unlink(socket.path) } }
        machine = try MachineProcess(
            options.map { $0.replacing("DIR", with: directory.path) }
                + ["--qtest", "unix:\(sockets[0].path)", "--qmp", "unix:\(sockets[1].path)"])
        qtest = QtestClient(try sockets[0].accept(from: machine))
        qmp = QMPClient(try sockets[1].accept(from: machine))
        try qmp.negotiate()
    }

    /// The byte that a new disk has at `offset`: no two sectors are alike.
    static func content(at offset: Int) -> UInt8 {
        UInt8(truncatingIfNeeded: (offset / 512) &* 31 &+ offset &* 7 &+ offset >> 16)
    }

    /// The bytes that a new disk has in `sectors`.
    static func content(of sectors: Range<Int>) -> [UInt8] {
        (sectors.lowerBound * 512..<sectors.upperBound * 512).map(content(at:))
    }

    private static let pattern = (0..<1 << 20).map(content(at:))

    static func makeDisk(_ path: String, size: Int) throws {
        guard let file = fopen(path, "w") else { throw FixtureError.failed("fopen \(path)") }
        defer { fclose(file) }
        guard size <= pattern.count, fwrite(pattern, 1, size, file) == size else {
            throw FixtureError.failed("fwrite \(path)")
        }
    }

    /// What the file of the disk holds in `sectors`.
    func medium(_ sectors: Range<Int>) throws -> [UInt8] {
        guard let file = fopen(directory.path("disk.img"), "r") else {
            throw FixtureError.failed("fopen disk.img")
        }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: sectors.count * 512)
        fseek(file, sectors.lowerBound * 512, SEEK_SET)
        let count = fread(&bytes, 1, bytes.count, file)
        return Array(bytes[..<count])
    }

    /// Ends the machine as a harness does; it must go without complaint.
    func end() throws {
        qtest.socket.close()
        let (status, errors) = try machine.end()
        guard status == 0 else { throw FixtureError.failed("exit status \(status): \(errors)") }
    }
}
