import BlockHost
import BlockIO
import CTestSupport
import VhostUserServer
import XCTest

@testable import TestSupport

/// Start and service of rings.
final class RingTests: FrontEndTestCase {
    // MARK: Requests

    func testEveryEngineMovesData() throws {
        for engine in EngineKind.allCases {
            let image = try BlockImage.open(
                path, OpenOptions(access: .readWrite, engine: .forced(engine)))
            let frontEnd = try FrontEnd(image)
            try frontEnd.start()
            for index in 0..<16 {
                frontEnd.add(
                    VirtioType.read, sector: UInt64(64 * index), length: 8192, index: index)
            }
            frontEnd.publish()
            try frontEnd.finish(16)
            for index in 0..<16 {
                XCTAssertEqual(frontEnd.status(index), VirtioStatus.ok)
                XCTAssertEqual(
                    frontEnd.bytes(8192, index: index),
                    Self.content(at: 64 * 512 * index, 8192), "\(engine) \(index)")
            }
            frontEnd.fill(Self.pattern(4096))
            XCTAssertEqual(
                try frontEnd.run(VirtioType.write, sector: 800, length: 4096), VirtioStatus.ok)
            XCTAssertEqual(try frontEnd.run(VirtioType.flush), VirtioStatus.ok)
            XCTAssertEqual(try stored(at: 800 * 512, 4096), Self.pattern(4096))
            frontEnd.fill(Self.content(at: 800 * 512, 4096))
            XCTAssertEqual(
                try frontEnd.run(VirtioType.write, sector: 800, length: 4096), VirtioStatus.ok)
            XCTAssertEqual(frontEnd.server.statistics.requests, 19)
            XCTAssertEqual(frontEnd.server.statistics.failures, 0)
        }
    }

    /// While a ring runs, nothing goes through the socket.
    func testARunningRingNeedsNoMessages() throws {
        let frontEnd = try frontEnd()
        try frontEnd.start()
        let before = frontEnd.server.statistics.messages
        for _ in 0..<50 {
            XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 512), VirtioStatus.ok)
        }
        XCTAssertEqual(frontEnd.server.statistics.messages, before)
        XCTAssertTrue(try frontEnd.socket.isQuiet())
    }

    /// The driver is asked for few kicks, and gets few calls, when it has many requests under way.
    func testKicksAndCallsAreFewAtDepth32() throws {
        let frontEnd = try frontEnd()
        try frontEnd.start()
        for _ in 0..<100 {
            for index in 0..<32 {
                frontEnd.add(
                    VirtioType.read, sector: UInt64(8 * index), length: 4096, index: index,
                    isIndirect: true)
            }
            frontEnd.publish()
            try frontEnd.finish(32)
        }
        let statistics = frontEnd.server.statistics
        XCTAssertEqual(statistics.requests, 3200)
        XCTAssertEqual(statistics.failures, 0)
        XCTAssertGreaterThan(statistics.kicks, 0)
        XCTAssertGreaterThan(statistics.calls, 0)
        XCTAssertLessThan(statistics.kicks, statistics.requests / 5)
        XCTAssertLessThan(statistics.calls, statistics.requests / 5)
    }

    /// A thread that looks for work does what one that sleeps does.
    func testPollingBeforeSleep() throws {
        let frontEnd = try frontEnd(VhostUserOptions(pollLimit: .milliseconds(2)))
        try frontEnd.start()
        for _ in 0..<200 {
            XCTAssertEqual(
                try frontEnd.run(VirtioType.read, sector: 8, length: 512), VirtioStatus.ok)
            XCTAssertEqual(frontEnd.bytes(512), Self.content(at: 4096, 512))
        }
        XCTAssertEqual(try frontEnd.stop(), 200)
        frontEnd.socket.socket.close()
        try eventually("the front end is gone") {
            try? frontEnd.server.turn(milliseconds: 1)
            return !frontEnd.server.isConnected
        }
    }

    /// No kick is lost between a thread that stops to look for work and a driver that kicks only when it is asked
    /// to, whatever the time between requests.
    func testNoKickIsLostWhenAThreadGoesToSleep() throws {
        var generator = SplitMix64(seed: Seed.value)
        for features in [
            FrontEnd.usualFeatures, FrontEnd.usualFeatures & ~VhostFeature.eventIndex,
        ] {
            let frontEnd = try frontEnd(VhostUserOptions(pollLimit: .microseconds(50)))
            try frontEnd.negotiate(features: features)
            try frontEnd.addMemory()
            try frontEnd.setUpRing()
            try frontEnd.enable()
            for index in 0..<8000 {
                frontEnd.add(VirtioType.identify, length: 20)
                frontEnd.publish()
                let end = ContinuousClock.now + Patience.limit
                // Without a system call, so that the thread goes to sleep at any time.
                while frontEnd.driver.reap().isEmpty {
                    guard ContinuousClock.now < end else {
                        return XCTFail("request \(index) was not noticed")
                    }
                }
                let next = ContinuousClock.now + .microseconds(generator.number(0...120))
                while ContinuousClock.now < next {}
            }
            XCTAssertEqual(frontEnd.server.statistics.requests, 8000)
            XCTAssertLessThanOrEqual(frontEnd.server.statistics.kicks, 8000)
            XCTAssertEqual(try frontEnd.stop(), 8000)
        }
    }

    // MARK: Kicks

    /// A kick that comes before the ring is enabled is not repeated.
    func testKicksBeforeTheRingIsEnabled() throws {
        let frontEnd = try frontEnd()
        try frontEnd.negotiate()
        try frontEnd.addMemory()
        try frontEnd.setUpRing()
        frontEnd.add(VirtioType.read, length: 512)
        frontEnd.publish(always: true)
        XCTAssertTrue(try frontEnd.socket.isQuiet())
        XCTAssertEqual(frontEnd.status(0), VirtioStatus.untouched)
        try frontEnd.enable()
        try frontEnd.finish(1)
        XCTAssertEqual(frontEnd.status(0), VirtioStatus.ok)
    }

    /// Requests that were in the ring before it started need no kick at all.
    func testRequestsBeforeTheStart() throws {
        let frontEnd = try frontEnd()
        try frontEnd.negotiate()
        frontEnd.add(VirtioType.read, length: 512)
        frontEnd.driver.publish()
        try frontEnd.addMemory()
        try frontEnd.setUpRing()
        try frontEnd.enable()
        try frontEnd.finish(1)
        XCTAssertEqual(frontEnd.status(0), VirtioStatus.ok)
    }

    /// QEMU enables all rings, also those that have no address yet, and sets descriptors before.
    func testTheOrderOfMessagesIsFree() throws {
        let frontEnd = try frontEnd()
        try frontEnd.negotiate()
        try frontEnd.set(VhostRequest.setVringCall, le(UInt64(0)), [frontEnd.call.raw])
        try frontEnd.enable()
        try frontEnd.set(VhostRequest.setVringKick, le(UInt64(0)), [frontEnd.kick.raw])
        try frontEnd.addMemory()
        try frontEnd.set(
            VhostRequest.setVringNum, le(UInt32(0)) + le(UInt32(frontEnd.driver.size)))
        try frontEnd.set(VhostRequest.setVringAddr, frontEnd.addresses(of: frontEnd.driver))
        XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 512), VirtioStatus.ok)
        try eventually("the call descriptor is written") { FrontEnd.take(frontEnd.call) }
    }

    func testARingStartsWhateverComesLast() throws {
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let frontEnd = try frontEnd()
            try frontEnd.negotiate()
            try frontEnd.addMemory()
            try frontEnd.enable()
            for part in order {
                switch part {
                case 0:
                    try frontEnd.set(
                        VhostRequest.setVringNum, le(UInt32(0)) + le(UInt32(FrontEnd.ringSize)))
                case 1:
                    try frontEnd.set(
                        VhostRequest.setVringAddr, frontEnd.addresses(of: frontEnd.driver))
                default:
                    try frontEnd.set(
                        VhostRequest.setVringKick, le(UInt64(0)), [frontEnd.kick.raw])
                }
            }
            XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 512), VirtioStatus.ok)
        }
    }

    /// Another kick descriptor neither disables a ring nor loses what came with the last one.
    func testAnotherKickDescriptor() throws {
        let frontEnd = try frontEnd()
        try frontEnd.start()
        let other = Descriptor(try SystemCall.check(cts_eventfd(), "eventfd"))
        for descriptor in [other, frontEnd.kick] {
            try frontEnd.set(VhostRequest.setVringKick, le(UInt64(0)), [descriptor.raw])
            frontEnd.add(VirtioType.read, length: 512)
            frontEnd.driver.publish()
            var one: UInt64 = 1
            XCTAssertEqual(write(descriptor.raw, &one, 8), 8)
            try frontEnd.finish(1)
            XCTAssertEqual(frontEnd.status(0), VirtioStatus.ok)
        }
    }

    /// Bit 8: there is no descriptor, and the ring is polled; there are no calls.
    func testARingWithoutDescriptors() throws {
        let frontEnd = try frontEnd()
        try frontEnd.start()
        try frontEnd.set(VhostRequest.setVringKick, le(UInt64(1 << 8)))
        try frontEnd.set(VhostRequest.setVringCall, le(UInt64(1 << 8)))
        try frontEnd.set(VhostRequest.setVringErr, le(UInt64(1 << 8)))
        _ = FrontEnd.take(frontEnd.call)
        for _ in 0..<5 {
            frontEnd.add(VirtioType.read, length: 512)
            frontEnd.driver.publish()
            try frontEnd.finish(1)
            XCTAssertEqual(frontEnd.status(0), VirtioStatus.ok)
        }
        XCTAssertFalse(FrontEnd.take(frontEnd.call))
    }

    /// A descriptor that cannot be watched, and ones that are always readable.
    func testDescriptorsThatAreNotEvents() throws {
        let frontEnd = try frontEnd()
        try frontEnd.start()
        let regular = Descriptor(try SystemCall.check(cts_memfd(4096), "memfd_create"))
        XCTAssertEqual(
            try frontEnd.socket.acknowledgement(
                VhostRequest.setVringKick, le(UInt64(0)), [regular.raw]), UInt64(EPERM))
        let pipe = try Descriptor.pipe()
        XCTAssertEqual(write(pipe.writing.raw, "kick", 4), 4)
        try frontEnd.set(VhostRequest.setVringKick, le(UInt64(0)), [pipe.reading.raw])
        // The server writes calls and errors, and a write to these could wait.
        for request in [VhostRequest.setVringCall, VhostRequest.setVringErr] {
            for descriptor in [regular.raw, pipe.reading.raw, pipe.writing.raw] {
                XCTAssertEqual(
                    try frontEnd.socket.acknowledgement(request, le(UInt64(0)), [descriptor]),
                    UInt64(EINVAL))
            }
        }
        frontEnd.add(VirtioType.read, length: 512)
        frontEnd.driver.publish()
        XCTAssertEqual(write(pipe.writing.raw, "kick", 4), 4)
        try frontEnd.finish(1)
        XCTAssertEqual(frontEnd.status(0), VirtioStatus.ok)
        // An eventfd that is full would make a write wait.
        var full = UInt64.max - 1
        // The call may come after the completion.
        try eventually("the event is full") {
            _ = FrontEnd.take(frontEnd.call)
            return write(frontEnd.call.raw, &full, 8) == 8
        }
        try frontEnd.set(VhostRequest.setVringCall, le(UInt64(0)), [frontEnd.call.raw])
        frontEnd.add(VirtioType.read, length: 512)
        frontEnd.driver.publish()
        XCTAssertEqual(write(pipe.writing.raw, "kick", 4), 4)
        try frontEnd.finish(1)
        XCTAssertEqual(try frontEnd.stop(), 2)
    }

    /// A server never waits for a front end that does not read its calls, or its errors.
    func testEventsThatWaitDoNotWaitAnyMore() throws {
        let frontEnd = try frontEnd()
        try frontEnd.negotiate()
        for request in [VhostRequest.setVringCall, VhostRequest.setVringErr] {
            let event = Descriptor(try SystemCall.check(cts_eventfd(), "eventfd"))
            XCTAssertEqual(fcntl(event.raw, F_SETFL, 0), 0)
            try frontEnd.set(request, le(UInt64(0)), [event.raw])
            XCTAssertNotEqual(fcntl(event.raw, F_GETFL) & O_NONBLOCK, 0)
        }
    }

    /// A front end that has had a read, and taken its call.
    private func calledFrontEnd() throws -> FrontEnd {
        let frontEnd = try frontEnd()
        try frontEnd.start()
        // That of the start, so that it is not taken for that of the read.
        XCTAssertTrue(FrontEnd.take(frontEnd.call))
        XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 512), VirtioStatus.ok)
        try eventually("the call is there") { FrontEnd.take(frontEnd.call) }
        return frontEnd
    }

    /// A front end whose queue waits for room in the call event, after its second read.
    private func frontEndWithFullCall() throws -> FrontEnd {
        let frontEnd = try calledFrontEnd()
        FrontEnd.fill(frontEnd.call)
        XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 512), VirtioStatus.ok)
        return frontEnd
    }

    /// A front end that makes its event a waiting one again, and full, stops its own queue and nothing else.
    func testAFrontEndThatMakesItsEventWaitAgain() throws {
        for ends in [false, true] {
            let frontEnd = try frontEndWithFullCall()
            XCTAssertEqual(frontEnd.server.statistics.requests, 2)
            XCTAssertTrue(FrontEnd.take(frontEnd.call))
            FrontEnd.fill(frontEnd.call)
            XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 512), VirtioStatus.ok)
            if ends {
                try frontEnd.server.disconnect()
                XCTAssertFalse(frontEnd.server.isConnected)
            } else {
                XCTAssertEqual(try frontEnd.stop(), 3)
            }
        }
    }

    /// Nor does one that sends another event, or says that there is none, while the queue waits for the former one.
    func testAFrontEndThatReplacesAFullEvent() throws {
        for hasNext in [true, false] {
            let frontEnd = try frontEndWithFullCall()
            let next = Descriptor(try SystemCall.check(cts_eventfd(), "eventfd"))
            let former = frontEnd.call.raw
            try Rescue.watching(help: { _ = SharedEvent.take(former) }) {
                try frontEnd.set(
                    VhostRequest.setVringCall, le(UInt64(hasNext ? 0 : 1 << 8)),
                    hasNext ? [next.raw] : [])
            }
            XCTAssertEqual(FrontEnd.take(next), hasNext)
            XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 512), VirtioStatus.ok)
            XCTAssertEqual(try frontEnd.stop(), 3)
        }
    }

    /// Nor does one that fills it again as soon as somebody makes room.
    func testAFrontEndThatKeepsItsEventFull() throws {
        for request in [VhostRequest.getVringBase, VhostRequest.resetDevice] {
            let frontEnd = try calledFrontEnd()
            XCTAssertEqual(fcntl(frontEnd.call.raw, F_SETFL, 0), 0)
            let fillers = try (0..<2).map { _ in
                try EventFiller(frontEnd.call.raw, adding: UInt64.max - 1)
            }
            defer { for filler in fillers { XCTAssertNoThrow(try filler.end()) } }
            try eventually("the event is full") {
                var room = pollfd(fd: frontEnd.call.raw, events: Int16(POLLOUT), revents: 0)
                return poll(&room, 1, 0) == 0
            }
            XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 512), VirtioStatus.ok)
            if request == VhostRequest.getVringBase {
                _ = try frontEnd.stop()
            } else {
                try frontEnd.set(request)
            }
            try frontEnd.server.disconnect()
            XCTAssertFalse(frontEnd.server.isConnected)
        }
    }

    /// What completed before a call descriptor came is announced to the new one.
    func testALateCallDescriptor() throws {
        let frontEnd = try frontEnd()
        try frontEnd.start()
        try frontEnd.set(VhostRequest.setVringCall, le(UInt64(1 << 8)))
        _ = FrontEnd.take(frontEnd.call)
        frontEnd.add(VirtioType.read, length: 512)
        frontEnd.publish()
        try eventually("the request completes") {
            frontEnd.status(0) == VirtioStatus.ok
        }
        XCTAssertFalse(FrontEnd.take(frontEnd.call))
        try frontEnd.set(VhostRequest.setVringCall, le(UInt64(0)), [frontEnd.call.raw])
        XCTAssertTrue(FrontEnd.take(frontEnd.call))
    }

    /// Where the host completes requests in their submission, the driver is called for each part of a batch.
    func testCallsForTheParts() throws {
        let image = try BlockImage.open(
            path, OpenOptions(lock: .off, engine: .forced(.linuxAIO)))
        let frontEnd = try FrontEnd(image)
        try frontEnd.negotiate(features: FrontEnd.usualFeatures & ~VhostFeature.eventIndex)
        try frontEnd.addMemory()
        try frontEnd.setUpRing()
        try frontEnd.enable()
        XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 512), VirtioStatus.ok)
        let before = frontEnd.server.statistics.calls
        for index in 0..<20 { frontEnd.add(VirtioType.read, length: 512, index: index) }
        frontEnd.publish()
        try frontEnd.finish(20)
        XCTAssertEqual(frontEnd.server.statistics.calls, before + 2)
    }

    func testFailedRequestsAreReported() throws {
        let frontEnd = try frontEnd()
        try frontEnd.start()
        for errno in [EIO, ENOSPC] {
            let rule = faults.add(.init(.error(errno), operations: [.write], count: 1))
            XCTAssertEqual(
                try frontEnd.run(VirtioType.write, length: 512), VirtioStatus.ioError)
            faults.remove(rule)
            XCTAssertEqual(try frontEnd.run(VirtioType.write, length: 512), VirtioStatus.ok)
        }
        XCTAssertEqual(frontEnd.server.statistics.failures, 2)
    }
}
