import CTestSupport
import VhostUserServer
import XCTest

@testable import BlockIO
@testable import TestSupport

/// Front ends that come and go, and sockets.
final class LifetimeTests: FrontEndTestCase {
    private func until(_ server: VhostUserServer, _ isConnected: Bool) throws {
        try eventually("isConnected is \(isConnected)") {
            try? server.turn(milliseconds: 1)
            return server.isConnected == isConnected
        }
    }

    /// A front end that goes while requests are under way: they complete, and the next one finds the
    /// device after a reset.
    func testAFrontEndThatGoesAndComesBack() throws {
        let directory = try TemporaryDirectory()
        let socketPath = directory.path("socket")
        let server = try VhostUserServer(listeningAt: socketPath, image: image)
        var former: FrontEnd?
        for round in 0..<5 {
            let socket = try SystemCall.check(cts_connect(socketPath), "connect")
            try until(server, true)
            let frontEnd = try FrontEnd(server, socket, keeping: former)
            try frontEnd.start()
            // The write cache is as it was at first.
            XCTAssertEqual(
                try frontEnd.socket.ask(
                    VhostRequest.getConfig, le(UInt32(32)) + le(UInt32(1)) + le(UInt32(0)) + [0]
                ).body[12], 1)
            try frontEnd.set(
                VhostRequest.setConfig, le(UInt32(32)) + le(UInt32(1)) + le(UInt32(0)) + [0])
            frontEnd.fill(Self.pattern(4096, seed: round))
            XCTAssertEqual(
                try frontEnd.run(VirtioType.write, sector: UInt64(8 * round), length: 4096),
                VirtioStatus.ok)
            for index in 0..<8 { frontEnd.add(VirtioType.read, length: 65536, index: index) }
            frontEnd.publish()
            frontEnd.socket.socket.close()
            try until(server, false)
            former = frontEnd
        }
        for round in 0..<5 {
            XCTAssertEqual(
                try stored(at: 4096 * round, 4096), Self.pattern(4096, seed: round))
        }
        XCTAssertNotEqual(server.statistics.messages, 0)
    }

    /// A new front end can connect while the requests of the last one complete; the server answers it
    /// when they have.
    func testANewFrontEndWhileTheLastOneIsDrained() throws {
        let directory = try TemporaryDirectory()
        let socketPath = directory.path("socket")
        let listener = try SystemCall.check(cts_listen(socketPath), "listen")
        let server = try VhostUserServer(
            socket: listener, image: image, options: VhostUserOptions(),
            queue: QueueOptions().checked(with: faults))
        // Another process that has it may take a front end first.
        XCTAssertNotEqual(fcntl(listener, F_GETFL) & O_NONBLOCK, 0)
        let frontEnd = try FrontEnd(
            server, try SystemCall.check(cts_connect(socketPath), "connect"))
        try until(server, true)
        try frontEnd.start()
        let release = hold([.read])
        frontEnd.add(VirtioType.read, length: 512)
        frontEnd.publish()
        try waitForHeld(1)
        frontEnd.socket.socket.close()
        let next = try FrontEnd(
            server, try SystemCall.check(cts_connect(socketPath), "connect"))
        try next.socket.send(VhostMessage(request: VhostRequest.getQueueNum))
        XCTAssertTrue(try next.socket.isQuiet())
        release()
        XCTAssertEqual(try next.socket.receive().number(0, 8), 1)
        try next.start()
        XCTAssertEqual(try next.run(VirtioType.read, length: 512), VirtioStatus.ok)
        XCTAssertEqual(frontEnd.status(0), VirtioStatus.ok)
    }

    /// What completes when the connection is lost is announced, to the former front end as long as it is there, and
    /// to the next one: its driver has requests that are used, and waits for an interrupt.
    func testCompletionsAfterTheConnectionIsLostAreAnnounced() throws {
        let directory = try TemporaryDirectory()
        let socketPath = directory.path("socket")
        let listener = try SystemCall.check(cts_listen(socketPath), "listen")
        let server = try VhostUserServer(
            socket: listener, image: image, options: VhostUserOptions(),
            queue: QueueOptions().checked(with: faults))
        let frontEnd = try FrontEnd(
            server, try SystemCall.check(cts_connect(socketPath), "connect"))
        try frontEnd.start()
        let release = hold([.read])
        frontEnd.add(VirtioType.read, length: 512)
        frontEnd.publish()
        try waitForHeld(1)
        _ = FrontEnd.take(frontEnd.call)
        frontEnd.socket.socket.close()
        for _ in 0..<20 { try server.turn(milliseconds: 1) }
        XCTAssertTrue(server.isConnected)
        XCTAssertFalse(FrontEnd.take(frontEnd.call))
        release()
        try eventually("the request is announced") { FrontEnd.take(frontEnd.call) }
        let next = try FrontEnd(
            server, try SystemCall.check(cts_connect(socketPath), "connect"), keeping: frontEnd)
        try next.negotiate(keepsRing: true)
        try next.addMemory()
        try next.set(VhostRequest.setVringCall, le(UInt64(0)), [next.call.raw])
        XCTAssertFalse(FrontEnd.take(next.call))
        try next.set(VhostRequest.setVringNum, le(UInt32(0)) + le(UInt32(FrontEnd.ringSize)))
        try next.set(VhostRequest.setVringBase, le(UInt32(0)) + le(UInt32(1)))
        try next.set(VhostRequest.setVringAddr, next.addresses(of: next.driver))
        try next.set(VhostRequest.setVringKick, le(UInt64(0)), [next.kick.raw])
        try eventually("the next front end is told") { FrontEnd.take(next.call) }
        XCTAssertEqual(next.driver.reap().count, 1)
        XCTAssertEqual(next.status(0), VirtioStatus.ok)
    }

    /// The end of a server waits for requests, and gives back everything.
    func testAServerThatEnds() throws {
        for _ in 0..<5 {
            let frontEnd = try frontEnd()
            try frontEnd.start()
            for index in 0..<8 { frontEnd.add(VirtioType.read, length: 65536, index: index) }
            frontEnd.publish()
        }
        // What the image opens for good does not count; a leak of each server would.
        let before = try openDescriptors()
        for _ in 0..<5 {
            let frontEnd = try frontEnd()
            try frontEnd.start()
            for index in 0..<8 { frontEnd.add(VirtioType.read, length: 65536, index: index) }
            frontEnd.publish()
            try frontEnd.server.disconnect()
            XCTAssertFalse(frontEnd.server.isConnected)
        }
        // The last thread that ends closes what woke it.
        try eventually("all descriptors are closed") {
            ((try? openDescriptors()) ?? .max) <= before
        }
    }

    private func openDescriptors() throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
    }

    /// A server with one front end, whose socket was connected already, ends with it.
    func testAServerOfOneFrontEndEndsWithIt() throws {
        let frontEnd = try frontEnd()
        try frontEnd.start()
        let pipe = try Descriptor.pipe()
        frontEnd.socket.socket.close()
        var disconnections = 0
        try frontEnd.server.run(until: pipe.reading.raw) { disconnections += 1 }
        XCTAssertEqual(disconnections, 1)
    }

    /// The server looks at other descriptors of the program, and ends when it is told to.
    func testTerminationAndOtherDescriptors() throws {
        let frontEnd = try frontEnd()
        let (end, other) = (try Descriptor.pipe(), try Descriptor.pipe())
        XCTAssertEqual(write(other.writing.raw, "x", 1), 1)
        var seen = 0
        try frontEnd.server.run(until: end.reading.raw, watching: [other.reading.raw]) {
            XCTAssertEqual($0, other.reading.raw)
            seen += 1
            var byte: UInt8 = 0
            read(other.reading.raw, &byte, 1)
            write(end.writing.raw, "x", 1)
        }
        XCTAssertEqual(seen, 1)
        XCTAssertTrue(frontEnd.server.isConnected)
    }

    /// A socket that nobody listens at is replaced; one that somebody does, or another file, is not.
    func testPathsOfSockets() throws {
        let directory = try TemporaryDirectory()
        let socketPath = directory.path("socket")
        try SystemCall.check(cts_leave_socket(socketPath), "bind")
        do {
            let server = try VhostUserServer(listeningAt: socketPath, image: open(.readOnly))
            XCTAssertThrowsError(
                try VhostUserServer(listeningAt: socketPath, image: open(.readOnly))
            ) {
                XCTAssertEqual(
                    $0 as? VhostUserError, .system(call: "bind(2)", errno: EADDRINUSE))
            }
            try server.turn(milliseconds: 0)
        }
        XCTAssertNotEqual(access(socketPath, F_OK), 0)
        XCTAssertTrue(FileManager.default.createFile(atPath: socketPath, contents: nil))
        XCTAssertThrowsError(
            try VhostUserServer(listeningAt: socketPath, image: open(.readOnly)))
        XCTAssertEqual(access(socketPath, F_OK), 0)
        XCTAssertThrowsError(
            try VhostUserServer(
                listeningAt: String(repeating: "long", count: 40), image: open(.readOnly))
        ) {
            XCTAssertEqual(
                $0 as? VhostUserError, .system(call: "bind(2)", errno: ENAMETOOLONG))
        }
        XCTAssertThrowsError(try VhostUserServer(socket: -1, image: open(.readOnly)))
    }

    /// Two servers begin at one path at the same time, one of which is held in a call of the C library: one of them
    /// gets the path, and listens there.
    func testTwoServersBeginAtOnePath() throws {
        for (call, isAbandoned) in [(CTS_CALL_LISTEN, false), (CTS_CALL_RENAME, true)] {
            let fault = CallFault(call, count: 1, holdMilliseconds: 60_000)
            guard fault.isCovered else { return }
            let directory = try TemporaryDirectory()
            let socketPath = directory.path("socket")
            if isAbandoned { try SystemCall.check(cts_leave_socket(socketPath), "bind") }
            let (image, other) = (try open(.readOnly), try open(.readOnly))
            let outcome = Locked<VhostUserError??>(nil)
            try fault.during {
                Thread.detachNewThread {
                    var failure: VhostUserError?
                    do throws(VhostUserError) {
                        _ = try VhostUserServer(listeningAt: socketPath, image: image)
                    } catch {
                        failure = error
                    }
                    outcome.withLock { $0 = .some(failure) }
                }
                try eventually("a server is held") { fault.counts.held == 1 }
                let server = try VhostUserServer(listeningAt: socketPath, image: other)
                fault.release()
                try eventually("the other has failed") { outcome.withLock { $0 != nil } }
                XCTAssertEqual(
                    outcome.withLock { $0 } ?? nil, .system(call: "bind(2)", errno: EADDRINUSE))
                let socket = Descriptor(
                    try SystemCall.check(cts_connect(socketPath), "connect"))
                try until(server, true)
                socket.close()
            }
            XCTAssertEqual(
                try FileManager.default.contentsOfDirectory(atPath: directory.path), [])
        }
    }

    /// A server that ends leaves the path alone that another server has by now.
    func testAServerEndsWhosePathAnotherHas() throws {
        let directory = try TemporaryDirectory()
        let socketPath = directory.path("socket")
        var former: VhostUserServer? = try VhostUserServer(
            listeningAt: socketPath, image: open(.readOnly))
        XCTAssertEqual(unlink(socketPath), 0)
        let server = try VhostUserServer(listeningAt: socketPath, image: open(.readOnly))
        XCTAssertFalse(former?.isConnected ?? true)
        former = nil
        let socket = Descriptor(try SystemCall.check(cts_connect(socketPath), "connect"))
        try until(server, true)
        socket.close()
    }

    /// As long as a server has its path it listens there, so that no other takes the path for abandoned.
    func testAServerListensUntilItsPathIsGone() throws {
        let fault = CallFault(CTS_CALL_UNLINK, count: 1, holdMilliseconds: 60_000)
        guard fault.isCovered else { return }
        let directory = try TemporaryDirectory()
        let socketPath = directory.path("socket")
        let image = try open(.readOnly)
        let (isThere, mayEnd, hasEnded) = (Locked(false), Locked(false), Locked(false))
        Thread.detachNewThread {
            do {
                let server = try? VhostUserServer(listeningAt: socketPath, image: image)
                isThere.withLock { $0 = server != nil }
                while !mayEnd.withLock({ $0 }) { usleep(100) }
            }
            hasEnded.withLock { $0 = true }
        }
        defer { mayEnd.withLock { $0 = true } }
        try eventually("a server listens") { isThere.withLock { $0 } }
        try fault.during {
            mayEnd.withLock { $0 = true }
            try eventually("the server ends") { fault.counts.held == 1 }
            _ = Descriptor(try SystemCall.check(cts_connect(socketPath), "connect"))
        }
        try eventually("the server has ended") { hasEnded.withLock { $0 } }
        XCTAssertNotEqual(access(socketPath, F_OK), 0)
    }

    /// A front end that cannot be accepted is tried again after a while, and not all the time.
    func testAFrontEndThatCannotBeAccepted() throws {
        let directory = try TemporaryDirectory()
        let socketPath = directory.path("socket")
        let server = try VhostUserServer(listeningAt: socketPath, image: open(.readOnly))
        let socket = Descriptor(try SystemCall.check(cts_connect(socketPath), "connect"))
        try assertAcceptIsDeferred { try server.turn(milliseconds: $0) }
        try until(server, true)
        socket.close()
        try until(server, false)
    }

    /// The front end is told of another size, if it has a socket for that.
    func testTheSizeOfTheImageChanges() throws {
        let image = try BlockImage.open(
            path, OpenOptions(access: .readOnly, caching: .buffered, lock: .off))
        let frontEnd = try FrontEnd(image)
        try frontEnd.negotiate()
        var ends: [CInt] = [-1, -1]
        try SystemCall.check(cts_socketpair(&ends), "socketpair")
        let other = FrontEndSocket(ends[0]) {}
        let theirs = Descriptor(ends[1])
        XCTAssertEqual(
            try frontEnd.socket.acknowledgement(VhostRequest.setBackendReqFD), UInt64(EBADF))
        try frontEnd.set(VhostRequest.setBackendReqFD, [], [theirs.raw])
        theirs.close()
        XCTAssertTrue(try frontEnd.socket.isQuiet())
        XCTAssertTrue(try other.isQuiet())
        XCTAssertEqual(truncate(path, off_t(Self.size + 4096)), 0)
        XCTAssertTrue(image.activeFile.refreshSize())
        // The thread of the queue notices it with the next request.
        try frontEnd.addMemory()
        try frontEnd.setUpRing()
        try frontEnd.enable()
        XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 512), VirtioStatus.ok)
        XCTAssertTrue(try frontEnd.socket.isQuiet())
        let message = try other.receive()
        XCTAssertEqual(message, VhostMessage(request: 2))
        XCTAssertEqual(
            try frontEnd.socket.ask(
                VhostRequest.getConfig,
                le(UInt32(0)) + le(UInt32(8)) + le(UInt32(0)) + [UInt8](repeating: 0, count: 8)
            ).number(12, 8), UInt64((Self.size + 4096) / 512))
    }

    /// The program that has the server changes the size.
    func testTheServerResizesTheImage() throws {
        let frontEnd = try frontEnd()
        try frontEnd.start()
        var ends: [CInt] = [-1, -1]
        try SystemCall.check(cts_socketpair(&ends), "socketpair")
        let other = FrontEndSocket(ends[0]) {}
        let theirs = Descriptor(ends[1])
        try frontEnd.set(VhostRequest.setBackendReqFD, [], [theirs.raw])
        theirs.close()
        let sector = UInt64(Self.size / 512)
        XCTAssertEqual(
            try frontEnd.run(VirtioType.read, sector: sector, length: 512), VirtioStatus.ioError)
        try frontEnd.server.resize(to: UInt64(2 * Self.size))
        XCTAssertEqual(try other.receive(), VhostMessage(request: 2))
        XCTAssertEqual(
            try frontEnd.run(VirtioType.read, sector: sector, length: 512), VirtioStatus.ok)
        XCTAssertTrue(try frontEnd.socket.isQuiet())
        XCTAssertTrue(try other.isQuiet())
        let readOnly = try FrontEnd(open(.readOnly))
        XCTAssertThrowsError(try readOnly.server.resize(to: 4096)) {
            guard case .device(.image) = $0 as? VhostUserError else { return XCTFail("\($0)") }
        }
    }
}
