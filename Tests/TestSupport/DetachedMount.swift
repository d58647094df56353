import CTestSupport
import Glibc

/// A file system that is mounted but attached nowhere: no other process sees it, and it dissolves
/// with `close()`, with `deinit`, or when the process dies.
///
/// Files that are open keep it alive for as long.
final class DetachedMount: Sendable {
    /// The loop device an ext4 is on.
    let loop: LoopDevice?
    private let root: Descriptor

    /// A new ext4 on a loop device of `size` bytes that does direct I/O.
    static func ext4(
        size: Int, sectorSize: Int = 512, directory: String? = nil
    ) throws -> DetachedMount {
        try ext4(on: LoopDevice(size: size, sectorSize: sectorSize, directory: directory))
    }

    /// A new ext4 on a loop device.
    static func ext4(on loop: LoopDevice) throws -> DetachedMount {
        let mkfs = try ChildProcess.find("mkfs.ext4", package: "e2fsprogs")
        // Nothing is left to the kernel's background threads, and discarding would make the
        // backing file sparse. The defaults for small disks have 1 KiB blocks and many inodes.
        try ChildProcess.run(
            mkfs,
            [
                "-q", "-F", "-b", "4096", "-m", "0", "-i", "65536", "-J", "size=8",
                "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard", loop.path,
            ])
        return try DetachedMount(
            type: "ext4", options: [("source", loop.path)], magic: CTS_EXT4_MAGIC, loop: loop)
    }

    /// A new tmpfs that holds up to `size` bytes.
    static func tmpfs(size: Int) throws -> DetachedMount {
        try DetachedMount(
            type: "tmpfs", options: [("size", String(size))], magic: CTS_TMPFS_MAGIC, loop: nil)
    }

    private init(
        type: String, options: [(key: String, value: String)], magic: UInt64, loop: LoopDevice?
    ) throws {
        let need = "the mount system calls of Linux 5.2, or the permission to mount \(type)"
        let context = Descriptor(
            try SystemCall.require(cts_fsopen(type), "fsopen \(type)", need: need))
        for (key, value) in options {
            try Self.check(cts_fsconfig_set(context.raw, key, value), "\(key)=\(value)", context)
        }
        try Self.check(cts_fsconfig_create(context.raw), "creating \(type)", context)
        let root = Descriptor(
            try SystemCall.require(cts_fsmount(context.raw), "fsmount \(type)", need: need))

        var found: UInt64 = 0
        try SystemCall.check(cts_filesystem_type(root.raw, &found), "fstatfs")
        guard found == magic else {
            throw FixtureError.failed("the mounted \(type) has f_type \(found), not \(magic)")
        }
        self.root = root
        self.loop = loop
    }

    deinit {
        close()
    }

    /// The path of a file, for this process.
    func path(_ name: String) -> String {
        "/proc/self/fd/\(root.raw)/\(name)"
    }

    /// The path of a file, for child processes (they need the permission to trace this one).
    func pathForChildren(_ name: String) -> String {
        "/proc/\(getpid())/fd/\(root.raw)/\(name)"
    }

    /// Lets go of the file system and its loop device; further calls do nothing.
    func close() {
        root.close()
        loop?.close()
    }

    /// Like ``SystemCall/check(_:_:)``, with the messages the kernel left in the context.
    private static func check(
        _ result: Int32, _ call: @autoclosure () -> String, _ context: Descriptor
    ) throws {
        guard result < 0 else { return }
        try SystemCall.check(result, "fsconfig, \(call()): \(context.readToEnd())")
    }
}
