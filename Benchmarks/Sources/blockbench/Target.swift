import BenchFacts
import BlockIO
import Glibc

/// A file or block device that is measured.
struct Target: Sendable {
    /// For opening.
    let path: Pathname
    /// For people and reports.
    let name: String
    /// File or device.
    let kind: BlockImage.Kind
    /// Bytes.
    let size: UInt64
    /// What the kernel demands of requests, with the caching asked for.
    let alignment: HostAlignment
    /// The type of the file system, such as "ext4"; `nil` for a device, and where it is not known.
    let fileSystem: String?
    /// The device, or for a file the device of its file system; `nil` where there is none.
    let device: BlockDevice?
    /// The part that is measured.
    let range: TargetRange

    /// `--verify` lays out and checks this much of the range at most, from its start.
    static let verifiedLimit: UInt64 = 1 << 30

    /// How many blocks `--verify` uses.
    func verifiedBlocks(of blockSize: Int) -> Int {
        Int(min(range.length, Self.verifiedLimit) / UInt64(blockSize))
    }

    /// How many whole blocks the range has.
    func blocks(of blockSize: Int) -> Int { Int(range.length / UInt64(blockSize)) }

    /// "block device of 64 MiB, alignment 512 (memory 512)", "file of 1 GiB on ext4, alignment 512
    /// (memory 4)".
    var summary: String {
        let what =
            switch kind {
            case .device: "block device of \(ByteSize.amount(size))"
            case .backEnd: "back end of \(ByteSize.amount(size))"
            case .file:
                "file of \(ByteSize.amount(size)) on \(fileSystem ?? "an unknown file system")"
            @unknown default: "\(kind) of \(ByteSize.amount(size))"
            }
        let isWhole = range.length == size
        let part =
            isWhole
            ? "" : ", of these \(ByteSize.amount(range.length)) from byte \(range.offset)"
        return "\(what)\(part), alignment \(alignment.offset) "
            + "(memory \(alignment.memory))"
    }
}

extension Target {
    /// Looks at a path without writing to it. Of the target, the part of `length` bytes from byte `offset`
    /// on is measured; without a `length`, the part up to its end.
    init(
        path: Pathname, name: String, caching: OpenOptions.Caching, offset: UInt64 = 0,
        length: UInt64? = nil
    ) throws {
        let image = try BlockImage.open(pathname: path, OpenOptions(caching: caching))
        self.path = path
        self.name = name
        kind = image.kind
        // What an image has beyond its file cannot be written to.
        size = image.fileSize
        alignment = image.alignment
        let mount = image.kind == .file ? MountTable.mount(of: path) : nil
        fileSystem = mount?.fileSystem
        device = try mount.map(\.device) ?? Identity(path).blockDevice
        do throws(TargetRange.Refusal) {
            range = try TargetRange(
                offset: offset, length: length, size: size,
                alignment: caching == .direct ? alignment.offset : 1)
        } catch {
            throw Failure("\(name): \(error)")
        }
    }

    /// The paths without those that lead to the same file or device as an earlier one.
    static func distinct(
        _ paths: [Pathname], note: (String) -> Void
    ) throws -> [Pathname] {
        var seen: [Identity: Pathname] = [:]
        var distinct: [Pathname] = []
        for path in paths {
            let identity = try Identity(path)
            if let first = seen[identity] {
                note("\(path) is the same as \(first), and is measured once")
            } else {
                seen[identity] = path
                distinct.append(path)
            }
        }
        return distinct
    }

    /// Refuses what must not be written to: a mounted device always, and without leave any device
    /// and any file that was there before.
    static func admitWriting(to path: Pathname, allowed: Bool) throws {
        let identity = try Identity(path)
        if let device = identity.device, let place = MountTable.mountPoint(of: device) {
            throw Failure(
                "\(path) is mounted at \(place), and a mounted device is never written to")
        }
        guard allowed else {
            let what = identity.device == nil ? "an existing file" : "a block device"
            throw Failure(
                "\(path) is \(what), and this would overwrite it; --allow-write permits that")
        }
        // Exclusive: finds out what else uses the device, a mounted partition of it for one.
        _ = try BlockImage.open(pathname: path, OpenOptions(access: .readWrite, caching: .buffered))
    }

    /// What makes two paths the same.
    private struct Identity: Hashable {
        /// The device itself; `nil` for a file.
        let device: dev_t?
        let fileSystem: dev_t
        let inode: ino_t

        /// `nil` for a file.
        var blockDevice: BlockDevice? {
            device.flatMap { BlockDevice(number: MountTable.number(of: $0)) }
        }

        init(_ path: Pathname) throws(Failure) {
            var status = stat()
            guard path.withCString({ stat($0, &status) }) == 0 else {
                throw Failure("\(path): \(Failure.text(errno: errno))")
            }
            let isDevice = status.st_mode & S_IFMT == S_IFBLK
            device = isDevice ? status.st_rdev : nil
            // Two nodes of one device are two inodes.
            fileSystem = isDevice ? 0 : status.st_dev
            inode = isDevice ? 0 : status.st_ino
        }
    }
}
