import BlockDMA
import BlockIO
import BlockIOTesting
import Glibc
import XCTest

@testable import TestSupport
@testable import VirtioBlock

/// Failures of the host under each error policy.
final class ErrorPolicyTests: VirtioTestCase {
    private func options(_ policy: ErrorPolicy) -> VirtioWorld.Options {
        var options = VirtioWorld.Options()
        options.device.readErrorPolicy = policy
        options.device.writeErrorPolicy = policy
        return options
    }

    private static let kinds: [(type: UInt32, operation: BlockIO.BlockOperation)] = [
        (VirtioType.read, .read), (VirtioType.write, .write), (VirtioType.discard, .discard),
    ]

    private func add(_ world: VirtioWorld, _ type: UInt32) {
        if type == VirtioType.discard {
            world.driver.store(UInt64(8), at: VirtioWorld.data)
            world.driver.store(UInt64(8), at: VirtioWorld.data + 8)
            world.add(type, [world.segment(16, isWritable: false)])
        } else {
            world.add(
                type, sector: 8, [world.segment(4096, isWritable: type == VirtioType.read)])
        }
        world.driver.publish()
    }

    func testReport() throws {
        try forEachEngine(options(.report)) { world, _ in
            for kind in Self.kinds {
                world.faults.add(.init(.error(EIO), operations: [kind.operation], count: 1))
                self.add(world, kind.type)
                XCTAssertEqual(try world.finish(1)[0].length, 1)
                XCTAssertEqual(world.status(0), VirtioStatus.ioError)
                self.add(world, kind.type)
                _ = try world.finish(1)
                XCTAssertEqual(world.status(0), VirtioStatus.ok)
            }
            XCTAssertEqual(world.queue.statistics.hostFailures, 3)
        }
    }

    func testIgnore() throws {
        try forEachEngine(options(.ignore)) { world, plain in
            for kind in Self.kinds {
                world.faults.add(.init(.error(EIO), operations: [kind.operation], count: 1))
                self.add(world, kind.type)
                _ = try world.finish(1)
                XCTAssertEqual(world.status(0), VirtioStatus.ok)
            }
            self.expect(try self.bytes(plain, at: 0, Self.size), Self.content(at: 0, Self.size))
        }
    }

    /// The request is kept, and carried out when the machine goes on; nothing else is held up.
    func testStopAndRetry() throws {
        try forEachEngine(options(.stop)) { world, plain in
            for kind in Self.kinds {
                world.faults.add(.init(.error(EIO), operations: [kind.operation], count: 2))
                self.add(world, kind.type)
                for round in 0..<2 {
                    let service = world.queue.drain()
                    XCTAssertTrue(service.isMachineStopRequested, "\(kind) \(round)")
                    XCTAssertEqual(world.driver.reap().count, 0)
                    XCTAssertEqual(world.status(0), VirtioStatus.untouched)
                    XCTAssertEqual(world.queue.keptHeads.count, 1)
                    XCTAssertTrue(world.queue.isIdle)
                    world.queue.retry()
                    XCTAssertEqual(world.queue.keptHeads.count, 1)
                }
                _ = try world.finish(1)
                XCTAssertEqual(world.status(0), VirtioStatus.ok)
                XCTAssertEqual(world.queue.keptHeads, [])
            }
            self.expect(try self.bytes(plain, at: 4096, 4096), .init(repeating: 0, count: 4096))
        }
    }

    /// A reset forgets what is kept.
    func testStopAndReset() throws {
        try forEachEngine(options(.stop)) { world, _ in
            world.faults.add(.init(.error(EIO), operations: [.read], count: 1))
            self.add(world, VirtioType.read)
            XCTAssertTrue(world.queue.drain().isMachineStopRequested)
            world.queue.reset()
            XCTAssertFalse(world.queue.isResetting)
            world.driver.restart()
            try world.queue.start(world.driver.layout)
            world.queue.retry()
            XCTAssertEqual(try world.run(VirtioType.flush).status, VirtioStatus.ok)
            XCTAssertEqual(world.status(0), VirtioStatus.ok)
        }
    }

    func testNoSpace() throws {
        try forEachEngine(options(.enospc)) { world, _ in
            world.faults.add(.init(.error(ENOSPC), operations: [.write], count: 1))
            self.add(world, VirtioType.write)
            XCTAssertTrue(world.queue.drain().isMachineStopRequested)
            world.queue.retry()
            _ = try world.finish(1)
            XCTAssertEqual(world.status(0), VirtioStatus.ok)
            world.faults.add(.init(.error(EIO), operations: [.write], count: 1))
            self.add(world, VirtioType.write)
            _ = try world.finish(1)
            XCTAssertEqual(world.status(0), VirtioStatus.ioError)
        }
    }

    /// A read that fails in the middle says how much it has written.
    func testAShortRead() throws {
        try forEachEngine(options(.report)) { world, _ in
            world.faults.add(.init(.short(512), operations: [.read], count: 1))
            world.faults.add(.init(.error(EIO), operations: [.read], after: 1, count: 1))
            self.add(world, VirtioType.read)
            let used = try world.finish(1)
            XCTAssertEqual(world.status(0), VirtioStatus.ioError)
            XCTAssertEqual(used[0].length, 513)
        }
    }
}
