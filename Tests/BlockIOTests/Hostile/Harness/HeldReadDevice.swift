import Glibc
@testable import TestSupport

/// A loop device over a file on a ``FuseMount`` whose server holds the read of one block until it is released. To
/// the queue, the kernel holds the read.
final class HeldReadDevice {
    static let size = 4 << 20
    /// Where the block begins.
    static let held = 1 << 20
    private let mount: FuseMount
    private let loop: LoopDevice

    /// `serve` starts a child that plays ``FuseMount/serve(_:)``, with these arguments and this input.
    init(_ serve: ([String], Descriptor) throws -> RoleChild) throws {
        mount = try FuseMount { try serve(["\(Self.size)", "\(Self.held)"], $0) }
        try mount.server.expect("serving")
        loop = try LoopDevice(backingFile: mount.path)
    }

    deinit {
        // What is held fails then, and does not keep the device.
        mount.close()
        loop.close()
    }

    var path: String { loop.path }

    /// From now on the read is held. What has attached or opened the device may have called fsync(2), which releases it.
    func hold() throws {
        try withFile { ftruncate($0, Self.size) }
    }

    func release() throws {
        try withFile { fsync($0) }
    }

    private func withFile(_ call: (CInt) -> CInt) throws {
        let file = Descriptor(
            try SystemCall.check(Descriptor.open(mount.path, O_RDWR), "open \(mount.path)"))
        defer { file.close() }
        try SystemCall.check(SystemCall.result(call(file.raw)), "holding or releasing a read")
    }
}
