import CTestSupport
import Glibc

/// A loop device, detached by `close()`, by `deinit`, or when the process dies.
///
/// The kernel detaches the device when it is closed for the last time (LO_FLAGS_AUTOCLEAR), and
/// this object holds it open. A file system mounted from it, or a test that has it open, keeps it
/// attached for as long.
final class LoopDevice: Sendable {
    /// N of /dev/loopN.
    let number: Int
    /// The logical sector size.
    let sectorSize: Int
    private let backing: Descriptor
    private let holder: Descriptor
    private let sequence: String?

    /// A device over a new unlinked file of `size` bytes.
    ///
    /// - Parameters:
    ///   - sectorSize: 512, 1024, 2048 or 4096.
    ///   - directory: Where the file is; by default a directory that supports direct I/O.
    ///   - sparse: Leave the file without blocks instead of allocating all of them.
    ///   - directIO: Bypass the page cache of the backing file; an error when that cannot be had.
    ///   - readOnly: Make the device read-only.
    convenience init(
        size: Int, sectorSize: Int = 512, directory: String? = nil, sparse: Bool = false,
        directIO: Bool = true, readOnly: Bool = false
    ) throws {
        let backing = try BackingFile.make(
            size: size, directory: directory, sparse: sparse, directIO: directIO)
        try self.init(
            backing: backing, sectorSize: sectorSize, directIO: directIO, readOnly: readOnly)
    }

    /// A device over a file, or a block device, that exists.
    convenience init(
        backingFile path: String, sectorSize: Int = 512, directIO: Bool = true,
        readOnly: Bool = false
    ) throws {
        let flags = (readOnly ? O_RDONLY : O_RDWR) | (directIO ? CTS_O_DIRECT : 0)
        let number = try SystemCall.check(Descriptor.open(path, flags), "open \(path)")
        try self.init(
            backing: Descriptor(number), sectorSize: sectorSize, directIO: directIO,
            readOnly: readOnly)
    }

    private init(backing: Descriptor, sectorSize: Int, directIO: Bool, readOnly: Bool) throws {
        var number: Int32 = -1
        let holder = try SystemCall.require(
            cts_loop_attach(backing.raw, UInt32(sectorSize), directIO, readOnly, &number),
            "attaching a loop device with \(sectorSize)-byte sectors",
            need: "loop devices, or the permission to configure them")
        self.number = Int(number)
        self.sectorSize = sectorSize
        self.backing = backing
        self.holder = Descriptor(holder)
        self.sequence = SysBlock.sequence(of: "loop\(number)")
        if directIO { try requireDirectIO() }
    }

    deinit {
        close()
    }

    /// /dev/loopN
    var path: String {
        "/dev/\(name)"
    }

    /// loopN
    var name: String {
        "loop\(number)"
    }

    /// The size of the device in bytes.
    var size: Int {
        get throws {
            var bytes: UInt64 = 0
            try SystemCall.check(cts_device_size(holder.raw, &bytes), "BLKGETSIZE64 \(path)")
            return Int(bytes)
        }
    }

    /// Whether the kernel still has this device; false once the number is free or someone else's.
    var isAttached: Bool {
        SysBlock.attribute("loop/backing_file", of: name) != nil
            && SysBlock.sequence(of: name) == sequence
    }

    /// Gives the device sectors of another size. The kernel refuses that while somebody has opened
    /// it exclusively.
    func setSectorSize(_ bytes: Int) throws {
        try SystemCall.check(
            cts_loop_set_block_size(holder.raw, UInt(bytes)), "LOOP_SET_BLOCK_SIZE \(path)")
    }

    /// Makes the backing file, and with it the device, larger or smaller.
    func resize(to size: Int) throws {
        let backing = backing.raw
        try SystemCall.check(SystemCall.result(ftruncate(backing, size)), "ftruncate")
        try SystemCall.check(cts_loop_set_capacity(holder.raw), "LOOP_SET_CAPACITY \(path)")
    }

    /// Takes the blocks of a range of the backing file away: the device reads zeroes there.
    func punch(at offset: UInt64, count: UInt64) throws {
        try SystemCall.check(cts_punch(backing.raw, offset, count), "fallocate")
    }

    /// Lets go of the device; further calls do nothing.
    func close() {
        holder.close()
        backing.close()
    }

    /// The kernel falls back to buffered I/O without an error, for instance when the disk under the
    /// backing file has larger sectors than the loop device.
    private func requireDirectIO() throws {
        let answer = SysBlock.attribute("loop/dio", of: name)
        guard answer == "1" else {
            throw FixtureError.missing(
                "a backing file on which a loop device with \(sectorSize)-byte sectors can do "
                    + "direct I/O (/sys/block/\(name)/loop/dio is \(answer ?? "absent"))")
        }
    }
}
