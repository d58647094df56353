import BlockIOTesting
import CTestSupport
import Glibc
import Synchronization

/// One of the kinds of storage the conformance suite runs on: zeros, to be written at will.
///
/// All of it goes away with `close()`, with `deinit`, or when the process dies.
final class StorageTarget: Sendable {
    /// The kinds of storage.
    enum Kind: String, CaseIterable, Sendable {
        /// A file in a tmpfs.
        case tmpfsFile
        /// A file in an ext4 on a loop device with 512-byte sectors.
        case ext4File
        /// A loop device with 512-byte sectors.
        case loop512
        /// A loop device with 4096-byte sectors.
        case loop4096
        /// A zram device; its sectors have 4096 bytes.
        case zram

        /// Whether this is a block device, not a file.
        var isBlockDevice: Bool {
            switch self {
            case .tmpfsFile, .ext4File: false
            case .loop512, .loop4096, .zram: true
            }
        }
    }

    /// What keeps the storage in being.
    private enum Fixture: Sendable {
        case file(in: DetachedMount, name: String, closesMount: Bool)
        case loop(LoopDevice)
        case zram(ZramDevice)
    }

    /// The kind of storage.
    let kind: Kind
    /// The path to open, for this process.
    let path: String
    /// The path to open, for child processes.
    let pathForChildren: String
    /// A unit in whose multiples direct I/O works: the logical sector size of the device, or of the
    /// device under the file; the page size on a tmpfs, which has none.
    let sectorSize: Int
    /// The size in bytes.
    let size: Int
    private let fixture: Fixture
    private let isOpen = Locked(true)
    private let madeStripes = Locked<Stripes?>(nil)
    private let madeDisk = Locked<VolatileDisk?>(nil)

    /// Makes storage of `size` bytes, for a device a multiple of its sector size. Files are new,
    /// allocated and written; devices are new.
    static func make(_ kind: Kind, size: Int) throws -> StorageTarget {
        let target =
            switch kind {
            case .tmpfsFile: try tmpfsFile(size: size)
            case .ext4File: try ext4File(size: size)
            case .loop512: try loop(.loop512, sectorSize: 512, size: size)
            case .loop4096: try loop(.loop4096, sectorSize: 4096, size: size)
            case .zram: try zram(size: size)
            }
        guard target.size == size else {
            throw FixtureError.failed("\(kind) of \(size) bytes: the device has \(target.size)")
        }
        return target
    }

    private init(
        kind: Kind, path: String, pathForChildren: String, sectorSize: Int, size: Int,
        fixture: Fixture
    ) {
        self.kind = kind
        self.path = path
        self.pathForChildren = pathForChildren
        self.sectorSize = sectorSize
        self.size = size
        self.fixture = fixture
    }

    deinit {
        close()
    }

    /// Removes the storage, which must not be open any more; further calls do nothing.
    func close() {
        let wasOpen = isOpen.withLock { isOpen in
            defer { isOpen = false }
            return isOpen
        }
        guard wasOpen else { return }
        madeStripes.withLock { $0?.close() }
        switch fixture {
        case .file(let mount, let name, let closesMount):
            _ = unlink(mount.path(name))
            if closesMount { mount.close() }
        case .loop(let loop): loop.close()
        case .zram(let zram): zram.close()
        }
    }
}

extension StorageTarget {
    /// The storage as the first of two files of a striped image, made at the first call.
    func stripes() throws -> Stripes {
        try madeStripes.withLock { made in
            if let made { return made }
            let stripes = try Stripes(on: self)
            made = stripes
            return stripes
        }
    }

    /// A disk in memory of the same size, made at the first call.
    var volatileDisk: VolatileDisk {
        madeDisk.withLock { made in
            if let made { return made }
            let disk = VolatileDisk(size: size, seed: Seed.value)
            made = disk
            return disk
        }
    }
}

extension StorageTarget {
    /// Making an ext4 takes a while, so tests share one that lasts as long as the process.
    private static let sharedExt4 = Result { try DetachedMount.ext4(size: 256 << 20) }
    private static let fileCounter = Atomic<Int>(0)

    private static func tmpfsFile(size: Int) throws -> StorageTarget {
        let mount = try DetachedMount.tmpfs(size: size + (1 << 20))
        return try file(
            .tmpfsFile, in: mount, size: size, sectorSize: Int(getpagesize()), closesMount: true)
    }

    private static func ext4File(size: Int) throws -> StorageTarget {
        // A large file gets an ext4 of its own, with room for the journal and other metadata.
        let isLarge = size > 64 << 20
        let mount =
            isLarge
            ? try DetachedMount.ext4(size: (size + size / 16 + (32 << 20)) & ~0xF_FFFF)
            : try sharedExt4.get()
        return try file(.ext4File, in: mount, size: size, sectorSize: 512, closesMount: isLarge)
    }

    private static func file(
        _ kind: Kind, in mount: DetachedMount, size: Int, sectorSize: Int, closesMount: Bool
    ) throws -> StorageTarget {
        let count = fileCounter.add(1, ordering: .relaxed).newValue
        let name = "target-\(count)"
        let path = mount.path(name)
        // Not through the page cache, where there is a disk behind it.
        let direct = kind == .tmpfsFile ? 0 : CTS_O_DIRECT
        let number = Descriptor.open(path, O_RDWR | O_CREAT | O_EXCL | direct)
        let file = Descriptor(try SystemCall.check(number, "open \(path)"))
        // From here on, `close()` or `deinit` unlinks the file.
        let target = StorageTarget(
            kind: kind, path: path, pathForChildren: mount.pathForChildren(name),
            sectorSize: sectorSize, size: size,
            fixture: .file(in: mount, name: name, closesMount: closesMount))
        try SystemCall.check(cts_allocate(file.raw, UInt64(size)), "fallocate \(size) \(path)")
        try file.writeZeros(size: size)
        return target
    }

    private static func loop(_ kind: Kind, sectorSize: Int, size: Int) throws -> StorageTarget {
        let loop = try LoopDevice(size: size, sectorSize: sectorSize)
        return StorageTarget(
            kind: kind, path: loop.path, pathForChildren: loop.path, sectorSize: sectorSize,
            size: try loop.size, fixture: .loop(loop))
    }

    private static func zram(size: Int) throws -> StorageTarget {
        let zram = try ZramDevice(size: size)
        return StorageTarget(
            kind: .zram, path: zram.path, pathForChildren: zram.path, sectorSize: zram.sectorSize,
            size: zram.size, fixture: .zram(zram))
    }
}
