import CTestSupport
import Glibc
@testable import TestSupport

/// A file system that a child process serves, mounted and attached nowhere, with one file.
///
/// The mount dissolves with `close()`, with `deinit`, or when the process dies; the child dies with
/// it, and then whatever the kernel still waits for fails.
final class FuseMount {
    /// The process that serves. What it says it says to its ``ChildPort``.
    let server: RoleChild
    private let root: Descriptor

    /// Mounts it. `serve` starts a child that plays ``serve(_:)``, with the descriptor given as its
    /// input.
    init(_ serve: (Descriptor) throws -> RoleChild) throws {
        let need = "FUSE, or the permission to mount it"
        let device = Descriptor(
            try SystemCall.require(
                Descriptor.open("/dev/fuse", O_RDWR), "open /dev/fuse", need: need))
        let context = Descriptor(
            try SystemCall.require(cts_fsopen("fuse"), "fsopen fuse", need: need))
        let options = [
            ("fd", "\(device.raw)"), ("rootmode", "40000"), ("user_id", "\(getuid())"),
            ("group_id", "\(getgid())"),
        ]
        for (key, value) in options {
            try SystemCall.check(
                cts_fsconfig_set(context.raw, key, value), "fsconfig \(key)=\(value)")
        }
        try SystemCall.require(cts_fsconfig_create(context.raw), "creating fuse", need: need)
        root = Descriptor(
            try SystemCall.require(cts_fsmount(context.raw), "fsmount fuse", need: need))
        server = try serve(device)
    }

    deinit {
        close()
    }

    /// The path of the file, for this process.
    var path: String { "/proc/self/fd/\(root.raw)/\(CTS_FUSE_FILE)" }

    /// From now on no request is answered.
    func fallSilent() throws {
        server.signal(SIGUSR1)
        try server.expect("silent")
    }

    /// Ends the server, and with it the file system.
    func close() {
        server.kill()
        root.close()
    }

    /// The server's role, with the size of the file as argument, and perhaps the place of a read
    /// that is answered only with the next fsync(2); ends with the file system.
    static func serve(_ port: ChildPort) throws {
        let size = port.arguments.first.flatMap { Int($0) } ?? 0
        let held = port.arguments.dropFirst().first.flatMap { Int($0) } ?? .max
        port.say("serving")
        let text = strdup(ChildPort.text("silent"))
        try SystemCall.check(cts_fuse_serve(0, size, held, text), "serving a file")
    }
}
