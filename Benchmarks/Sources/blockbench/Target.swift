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

    /// `--verify` lays out and checks this much of a target at most, from its start.
    static let verifiedLimit: UInt64 = 1 << 30

    /// How many blocks `--verify` uses.
    func verifiedBlocks(of blockSize: Int) -> Int {
        Int(min(size, Self.verifiedLimit) / UInt64(blockSize))
    }

    /// How many whole blocks it has.
    func blocks(of blockSize: Int) -> Int { Int(size / UInt64(blockSize)) }

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
        return "\(what), alignment \(alignment.offset) "
            + "(memory \(alignment.memory))"
    }
}

extension Target {
    /// Looks at a path without writing to it.
    init(path: Pathname, name: String, caching: OpenOptions.Caching) throws {
        let image = try BlockImage.open(pathname: path, OpenOptions(caching: caching))
        self.path = path
        self.name = name
        kind = image.kind
        // What an image has beyond its file cannot be written to.
        size = image.fileSize
        alignment = image.alignment
        fileSystem = image.kind == .file ? MountTable.fileSystem(of: path) : nil
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
