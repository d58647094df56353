import BlockIO
import XCTest
@testable import TestSupport

/// More requests than the engine takes at a time, and one among those it has that does not end: the
/// others go through what room there is, however many of them the owner waits for at once.
final class BacklogTests: HostileTestCase {
    private static let size = 1 << 20
    private static let heldPlace = size - 4096
    private static let reads = 50

    func testOthersPassOneThatIsHeld() throws {
        for engine in EngineKind.allCases {
            for threading in [QueueThreading.owned, .shared] {
                for depth in [2, 4] {
                    for isBatch in [true, false] {
                        try check(engine, QueueOptions(threading: threading, depth: depth), isBatch)
                    }
                }
            }
        }
    }

    private func check(_ engine: EngineKind, _ options: QueueOptions, _ isBatch: Bool) throws {
        let mount = try orSkip(
            FuseMount { device in
                try child("serve", ["\(Self.size)", "\(Self.heldPlace)"], input: device)
            })
        try mount.server.expect("serving")
        // What hangs ends when the server does.
        let server = mount.server.process
        let image = try EngineSetup(engine: engine, caching: .direct).open(mount.path)
        let queue = try BlockQueue(image, options)
        let buffer = AlignedBuffer(count: (Self.reads + 1) * 4096)
        // Only this releases what is held, so what waits for it waits for ever.
        let file = Descriptor(
            try SystemCall.check(Descriptor.open(mount.path, O_RDONLY), "open \(mount.path)"))
        let what = "\(engine), \(options.threading), depth \(options.depth), batch \(isBatch)"
        var ledger = Ledger(count: Self.reads + 1)
        func submit() {
            queue.read(into: buffer.slice(0, 4096), at: UInt64(Self.heldPlace))
            for index in 1...Self.reads {
                queue.read(
                    into: buffer.slice(index * 4096, 4096), at: UInt64(index * 4096),
                    userData: UInt(index))
            }
        }
        try Rescue.watching(
            outstanding: queue.outstanding, help: { kill(server, SIGKILL) }
        ) {
            if isBatch { queue.batch(submit) } else { submit() }
            var delivered = 0
            for minimum in [20, Self.reads] {
                while delivered < minimum {
                    delivered += queue.poll(minimum: minimum - delivered) {
                        XCTAssertNotEqual($0.userData, 0, what)
                        ledger.note($0)
                    }
                }
            }
            XCTAssertEqual(queue.outstanding, 1, what)
            try SystemCall.check(SystemCall.result(fsync(file.raw)), "fsync")
            try queue.finish { ledger.note($0) }
        }
        ledger.assertAllSucceeded()
        queue.close()
    }

    override func perform(_ role: String, _ port: ChildPort) throws {
        try FuseMount.serve(port)
    }
}
