import CTestSupport
import Glibc

/// A loop device on a sparse file in a small tmpfs: what has been written before ``fill()`` can be
/// written again, and every other place fails with ENOSPC when data gets there.
///
/// The same is an ext4 on such a device, where data gets to the device only when the page cache is
/// written back.
final class FullDisk {
    /// The device.
    let loop: LoopDevice
    private let mount: DetachedMount
    private var filler: Descriptor?

    /// The errno values that the kernel reports for it.
    static let errors: Set<CInt> = [ENOSPC, EIO]

    /// A device of `size` bytes of which `capacity` can be written.
    init(size: Int, capacity: Int) throws {
        mount = try DetachedMount.tmpfs(size: capacity)
        loop = try LoopDevice(size: size, directory: mount.path(""), sparse: true, directIO: false)
    }

    deinit {
        close()
    }

    /// Takes what is left of the tmpfs.
    func fill() throws {
        let path = mount.path("filler")
        let number = Descriptor.open(path, O_RDWR | O_CREAT)
        let file = Descriptor(try SystemCall.check(number, "open \(path)"))
        filler = file
        let page = [UInt8](repeating: 1, count: 4096)
        while write(file.raw, page, page.count) > 0 {}
        guard errno == ENOSPC else { throw FixtureError.failed("filling a tmpfs: \(errno)") }
    }

    /// Gives it back.
    func relieve() throws {
        guard let filler else { return }
        try SystemCall.check(SystemCall.result(ftruncate(filler.raw, 0)), "ftruncate")
    }

    /// Has the page cache of a file or device written back, as the kernel does sooner or later.
    /// That it fails is reported to this descriptor as well as to all others.
    static func writeBack(_ path: String) throws {
        let file = Descriptor(try SystemCall.check(Descriptor.open(path, O_RDWR), "open \(path)"))
        guard fdatasync(file.raw) < 0, errors.contains(errno) else {
            throw FixtureError.failed("write-back of \(path) did not fail: errno \(errno)")
        }
    }

    /// Lets go of everything; further calls do nothing.
    func close() {
        loop.close()
        filler?.close()
        mount.close()
    }
}
