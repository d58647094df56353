import BlockHost
import CBlockIO
import Glibc

/// A descriptor that has just been opened, and what open(2) and its kin tell about it.
struct HostFileExamination {
    let descriptor: CInt
    let kind: BlockImage.Kind
    /// Bytes that the file or device has.
    let size: UInt64
    let alignment: HostAlignment
    /// st_rdev of a device.
    let device: UInt64
    /// What the file system has allocated (st_blocks), which for a sparse file is less than the
    /// size.
    let allocatedBytes: UInt64
    /// Logical block size of the device, 1 for a file: what discard and its kin are bound to.
    let deviceSectorSize: Int
    /// What memory the file is in, if it is in any.
    let memoryBacking: String?

    /// The kernel frees a closed ring in the background, and with it the claim on a device that its
    /// last requests may still hold: a busy device that nobody is seen to use is tried again for a
    /// second.
    private static let patience: UInt64 = 1_000_000_000

    /// Opens and checks; on an error nothing stays open.
    static func open(
        _ path: Pathname, _ options: OpenOptions
    ) throws(BlockError) -> HostFileExamination {
        guard !path.hasZero else {
            throw BlockError(
                .notFound, operation: .open, image: path.description,
                detail: "the path contains a null character, which no path has")
        }
        try options.validate(image: path.description)
        // Before open(2), which on a FIFO or a character device can have effects of its own; and
        // again after it, on what was really opened.
        var before = stat()
        let result = unsafe path.withCString { unsafe stat($0, &before) }
        guard result == 0 else { throw failure(Glibc.errno, path, options) }
        let expected = try kind(of: before, path)
        let isExclusive = expected == .device && options.access == .readWrite
        var descriptor: CInt = 0
        let start = monotonicNanoseconds()
        while true {
            descriptor = unsafe path.withCString {
                unsafe cbio_open(
                    $0, options.access == .readWrite, options.caching == .direct, isExclusive)
            }
            guard isExclusive, descriptor == -EBUSY, DeviceHolder.seen(at: path) == nil,
                monotonicNanoseconds() &- start < patience
            else { break }
            usleep(10_000)
        }
        guard descriptor >= 0 else { throw failure(-descriptor, path, options, expected) }
        do throws(BlockError) {
            return try examine(descriptor, path, options)
        } catch {
            close(descriptor)
            throw error
        }
    }

    /// Looks at an open descriptor; on an error it stays open.
    static func examine(
        _ descriptor: CInt, _ path: Pathname, _ options: OpenOptions
    ) throws(BlockError) -> HostFileExamination {
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else {
            throw failure(Glibc.errno, path, options)
        }
        let kind = try kind(of: status, path)
        var size = UInt64(status.st_size)
        var sectorSize: UInt32 = 1
        if kind == .device {
            if unsafe cbio_device_logical_block_size(descriptor, &sectorSize) != 0 {
                sectorSize = 4096
            }
            let result = unsafe cbio_device_size(descriptor, &size)
            guard result == 0 else { throw failure(-result, path, options) }
            var isReadOnly = false
            if options.access == .readWrite,
                unsafe cbio_device_is_read_only(descriptor, &isReadOnly) == 0,
                isReadOnly
            {
                throw failure(EROFS, path, options)
            }
        }
        var alignment = HostAlignment.none
        if let override = options.alignment {
            alignment = override
        } else if options.caching == .direct {
            guard
                let answer = HostAlignment.probe(
                    descriptor: descriptor, isBlockDevice: kind == .device)
            else {
                throw BlockError(.directIOUnavailable, operation: .open, image: path.description)
            }
            alignment = answer
        }
        return HostFileExamination(
            descriptor: descriptor, kind: kind, size: size, alignment: alignment,
            device: UInt64(status.st_rdev), allocatedBytes: UInt64(status.st_blocks) * 512,
            deviceSectorSize: Int(sectorSize),
            memoryBacking: memoryBacking(descriptor, kind, device: UInt64(status.st_rdev)))
    }

    /// What memory a file or device is in, if it is in any.
    private static func memoryBacking(
        _ descriptor: CInt, _ kind: BlockImage.Kind, device: UInt64
    ) -> String? {
        switch kind {
        case .file:
            return cbio_filesystem_type(descriptor) == FileSystemType.tmpfs
                ? "the file is on tmpfs" : nil
        case .device:
            let link = "/sys/dev/block/\(cbio_major(device)):\(cbio_minor(device))"
            guard let target = unsafe realpath(link, nil) else { return nil }
            defer { unsafe free(target) }
            let name = unsafe String(cString: target).split(separator: "/").last ?? ""
            let isMemory = ["zram", "ram", "pmem"].contains { name.hasPrefix($0) }
            return isMemory ? "the device \(name) is memory" : nil
        case .backEnd: return nil
        }
    }

    /// Throws unless a descriptor is of a regular file or block device.
    static func checkKind(_ descriptor: CInt, _ name: Pathname) throws(BlockError) {
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else {
            throw BlockError(
                .system, errno: Glibc.errno, operation: .open, image: name.description)
        }
        _ = try kind(of: status, name, of: "descriptor")
    }

    private static func kind(
        of status: stat, _ path: Pathname, of subject: String = "path"
    ) throws(BlockError) -> BlockImage.Kind {
        let found: String
        switch status.st_mode & S_IFMT {
        case S_IFREG: return .file
        case S_IFBLK: return .device
        case S_IFDIR: found = "a directory"
        case S_IFIFO: found = "a FIFO"
        case S_IFSOCK: found = "a socket"
        case S_IFCHR: found = "a character device"
        default: found = "of an unknown kind"
        }
        throw BlockError(
            .wrongFileType, operation: .open, image: path.description,
            detail: "the \(subject) is \(found), not a regular file or block device")
    }

    private static func failure(
        _ errno: CInt, _ path: Pathname, _ options: OpenOptions, _ kind: BlockImage.Kind? = nil
    ) -> BlockError {
        let code: BlockError.Code
        var detail = ""
        switch errno {
        case ENOENT, ENOTDIR, ELOOP, ENXIO, ENODEV: code = .notFound
        case EACCES, EPERM:
            code = .permissionDenied
        case EROFS:
            code = .permissionDenied
            detail = "the file system or device is read-only"
        case EBUSY where kind == .device:
            code = .deviceBusy
            detail = DeviceHolder.seen(at: path) ?? DeviceHolder.unseen
        case EINVAL where options.caching == .direct: code = .directIOUnavailable
        default: code = .system
        }
        return BlockError(
            code, errno: errno, operation: .open, image: path.description, detail: detail)
    }
}
