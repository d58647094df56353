import Glibc
@testable import TestSupport

/// A sparse file in a tmpfs of its own, gone with this object.
final class TemporaryImage {
    let path: String
    private let mount: DetachedMount

    init(size: Int, content: [UInt8] = []) throws {
        mount = try orSkip(DetachedMount.tmpfs(size: max(size, 1 << 20)))
        path = mount.path("image")
        let file = Descriptor(
            try SystemCall.check(Descriptor.open(path, O_RDWR | O_CREAT | O_EXCL), path))
        try SystemCall.check(SystemCall.result(ftruncate(file.raw, size)), "ftruncate")
        let count = content.withUnsafeBytes { pwrite(file.raw, $0.baseAddress, $0.count, 0) }
        guard count == content.count else { throw FixtureError.failed("pwrite") }
    }

    deinit {
        unlink(path)
        mount.close()
    }
}
