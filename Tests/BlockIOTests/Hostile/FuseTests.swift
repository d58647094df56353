import BlockIO
import CTestSupport
import XCTest
@testable import TestSupport

/// An image on a file system in user space, whose server stops answering and is killed.
final class FuseTests: HostileTestCase {
    private static let size = 4 << 20
    private static let requests = 64

    func testImageOnAServer() throws {
        let mount = try orSkip(mount())
        for setup in EngineSetup.all {
            let queue = try BlockQueue(try setup.open(mount.path))
            let written = AlignedBuffer(count: 256 << 10)
            let read = AlignedBuffer(count: 256 << 10)
            var random = SplitMix64(seed: Seed.value)
            written.fill(using: &random)
            try queue.writeAndWait(from: .init(written.bytes), at: 4096)
            try queue.flushAndWait()
            try queue.readAndWait(into: read.bytes, at: 4096)
            XCTAssertTrue(sameBytes(written.bytes, read.bytes), "\(setup)")
            // Any address, any place.
            try queue.writeAndWait(from: .init(written.slice(7, 5000)), at: 1_000_003)
            try queue.readAndWait(into: read.slice(11, 5000), at: 1_000_003)
            XCTAssertTrue(sameBytes(written.slice(7, 5000), read.slice(11, 5000)), "\(setup)")
        }
    }

    /// There is no way but threads to such a file that does not block, and the report says why.
    func testAutoTakesThreads() throws {
        let mount = try orSkip(mount())
        for caching in [OpenOptions.Caching.direct, .buffered] {
            let image = try BlockImage.open(
                mount.path, OpenOptions(access: .readWrite, caching: caching))
            XCTAssertEqual(image.engine, .threadPool)
            guard case .taken(let why)? = image.engineReport[.threadPool],
                case .passedOver(let whyNot)? = image.engineReport[.ioURing]
            else {
                XCTFail("\(image.engineReport)")
                continue
            }
            XCTAssertContains(why, "RWF_NOWAIT is answered EOPNOTSUPP")
            XCTAssertContains(whyNot, "worker thread")
            switch image.engineReport[.linuxAIO] {
            case .passedOver(let why)? where caching == .direct:
                XCTAssertContains(why, "io_submit(2) would block")
            case .refused(let why, errno: 0)? where caching == .buffered:
                XCTAssertContains(why, "buffered")
            default: XCTFail("\(image.engineReport)")
            }
        }
    }

    /// Requests that hang, a server that dies: each request ends, with an error unless the page
    /// cache knew the answer, and so does each one after that.
    func testServerIsKilledInFlight() throws {
        for setup in EngineSetup.all {
            let mount = try orSkip(mount())
            let queue = try BlockQueue(try setup.open(mount.path), QueueOptions(depth: 32))
            // At work before.
            let before = RandomTraffic(queue, count: Self.requests, size: Self.size)
            before.submit(Self.requests)
            try before.collect(all: true)
            XCTAssertEqual(before.successes, Self.requests, "\(setup): \(before.failures)")

            try mount.fallSilent()
            // By another thread: the engine may block in submitting.
            let process = mount.server.process
            let death = Disturbance { round in
                usleep(50_000)
                if round == 3 { kill(process, SIGKILL) }
            }
            let hanging = RandomTraffic(queue, count: Self.requests, size: Self.size)
            hanging.submit(Self.requests)
            try hanging.collect(all: true)
            death.stop()
            hanging.assertComplete("\(setup)")
            assertDead(hanging, setup)

            let after = RandomTraffic(queue, count: Self.requests, size: Self.size)
            after.submit(Self.requests)
            try after.collect(all: true)
            after.assertComplete("\(setup)")
            assertDead(after, setup)
            queue.close { _ in XCTFail("nothing was outstanding") }
        }
    }

    private func assertDead(
        _ traffic: RandomTraffic, _ setup: EngineSetup, line: UInt = #line
    ) {
        XCTAssertEqual(Set(traffic.failures.keys), [.system], "\(setup)", line: line)
        XCTAssertTrue(
            traffic.errnos.isSubset(of: [ECONNABORTED, ENOTCONN, EIO]),
            "\(setup): \(traffic.errnos)", line: line)
    }

    /// Closing a queue waits for what hangs, and ends when the server has died.
    func testQueueIsReleasedWhileRequestsHang() throws {
        for setup in EngineSetup.all {
            let mount = try orSkip(mount())
            let queue = try BlockQueue(try setup.open(mount.path))
            try mount.fallSilent()
            let process = mount.server.process
            let death = Disturbance { round in
                usleep(50_000)
                if round == 3 { kill(process, SIGKILL) }
            }
            let hanging = RandomTraffic(queue, count: 8, size: Self.size)
            hanging.submit(8)
            queue.close()
            death.stop()
            XCTAssertEqual(queue.outstanding, 0)
            XCTAssertTrue(queue.isClosed)
        }
    }

    /// Finding out who holds the lock of an image looks at the descriptors of all processes: one on
    /// a server that does not answer must not stop it.
    func testALockConflictIsNotedBesideAServerThatHangs() throws {
        let target = try orSkip(StorageTarget.make(.tmpfsFile, size: 1 << 20))
        defer { target.close() }
        let mount = try orSkip(mount())
        let open = Descriptor(
            try SystemCall.check(Descriptor.open(mount.path, O_RDONLY), "open \(mount.path)"))
        let image = try BlockImage.open(target.path, OpenOptions(access: .readWrite))
        try mount.fallSilent()
        let error = XCTAssertRefused(.locked) { try BlockImage.open(target.path) }
        XCTAssertContains(error?.detail, "(process \(getpid()))")
        // close(2) would wait for the server.
        mount.server.kill()
        withExtendedLifetime((open, image)) {}
    }

    private func mount() throws -> FuseMount {
        let mount = try FuseMount { device in
            try child("serve", ["\(Self.size)"], input: device)
        }
        try mount.server.expect("serving")
        return mount
    }

    override func perform(_ role: String, _ port: ChildPort) throws {
        try FuseMount.serve(port)
    }
}
