import BlockIO
import CTestSupport
import VhostUserServer
import XCTest

@testable import TestSupport

/// Start, service and end of rings.
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
        _ = FrontEnd.take(frontEnd.call)
        XCTAssertEqual(write(frontEnd.call.raw, &full, 8), 8)
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

    /// A front end that makes its event a waiting one again, and full, stops its own queue and nothing else.
    func testAFrontEndThatMakesItsEventWaitAgain() throws {
        for ends in [false, true] {
            let frontEnd = try frontEnd()
            try frontEnd.start()
            XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 512), VirtioStatus.ok)
            try eventually("the call is there") { FrontEnd.take(frontEnd.call) }
            var full = UInt64.max - 1
            XCTAssertEqual(write(frontEnd.call.raw, &full, 8), 8)
            XCTAssertEqual(fcntl(frontEnd.call.raw, F_SETFL, 0), 0)
            XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 512), VirtioStatus.ok)
            XCTAssertEqual(frontEnd.server.statistics.requests, 2)
            XCTAssertTrue(FrontEnd.take(frontEnd.call))
            XCTAssertEqual(write(frontEnd.call.raw, &full, 8), 8)
            XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 512), VirtioStatus.ok)
            if ends {
                try frontEnd.server.disconnect()
                XCTAssertFalse(frontEnd.server.isConnected)
            } else {
                XCTAssertEqual(try frontEnd.stop(), 3)
            }
        }
    }

    /// Nor does one that fills it again as soon as somebody makes room.
    func testAFrontEndThatKeepsItsEventFull() throws {
        for request in [VhostRequest.getVringBase, VhostRequest.resetDevice] {
            let frontEnd = try frontEnd()
            try frontEnd.start()
            XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 512), VirtioStatus.ok)
            try eventually("the call is there") { FrontEnd.take(frontEnd.call) }
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

    // MARK: Rings that cannot be

    func testRingsThatAreNotThere() throws {
        let frontEnd = try frontEnd()
        try frontEnd.negotiate()
        try frontEnd.addMemory()
        for index: UInt32 in [1, 2, 255, .max] {
            for request in [
                VhostRequest.setVringNum, VhostRequest.setVringBase, VhostRequest.setVringEnable,
            ] {
                XCTAssertEqual(
                    try frontEnd.socket.acknowledgement(request, le(index) + le(UInt32(1))),
                    UInt64(EINVAL))
            }
            XCTAssertEqual(
                try frontEnd.socket.acknowledgement(
                    VhostRequest.setVringAddr,
                    frontEnd.addresses(of: frontEnd.driver, index: index)), UInt64(EINVAL))
        }
        for request in [
            VhostRequest.setVringKick, VhostRequest.setVringCall, VhostRequest.setVringErr,
        ] {
            for index: UInt64 in [1, 255] {
                XCTAssertEqual(
                    try frontEnd.socket.acknowledgement(
                        request, le(index), [frontEnd.kick.raw]), UInt64(EINVAL))
            }
            XCTAssertEqual(
                try frontEnd.socket.acknowledgement(request, le(UInt64(0))), UInt64(EBADF))
        }
        for size: UInt32 in [0, 3, 512, 1 << 15, .max] {
            XCTAssertEqual(
                try frontEnd.socket.acknowledgement(
                    VhostRequest.setVringNum, le(UInt32(0)) + le(size)), UInt64(EINVAL))
        }
        for base: UInt32 in [1 << 16, .max] {
            XCTAssertEqual(
                try frontEnd.socket.acknowledgement(
                    VhostRequest.setVringBase, le(UInt32(0)) + le(base)), UInt64(EINVAL))
        }
        XCTAssertEqual(
            try frontEnd.socket.acknowledgement(
                VhostRequest.setVringEnable, le(UInt32(0)) + le(UInt32(2))), UInt64(EINVAL))
        // There is no reply that says so.
        try frontEnd.socket.send(
            VhostMessage(request: VhostRequest.getVringBase, body: le(UInt32(1)) + le(UInt32(0))))
        XCTAssertTrue(try frontEnd.socket.isHungUp())
    }

    /// Rings outside of memory, in part of it, or not aligned: the front end hears of it twice, and can try
    /// again.
    func testRingsOutsideOfMemory() throws {
        let frontEnd = try frontEnd()
        try frontEnd.negotiate()
        try frontEnd.addMemory()
        try frontEnd.set(VhostRequest.setVringErr, le(UInt64(0)), [frontEnd.error.raw])
        try frontEnd.set(
            VhostRequest.setVringNum, le(UInt32(0)) + le(UInt32(frontEnd.driver.size)))
        try frontEnd.set(VhostRequest.setVringKick, le(UInt64(0)), [frontEnd.kick.raw])
        let driver = frontEnd.driver
        let good = [driver.base, driver.used, driver.available].map { FrontEnd.userBase + $0 }
        let end = FrontEnd.userBase + UInt64(FrontEnd.memorySize)
        for place in 0..<3 {
            // The last ones are guest addresses, which a ring is not named by.
            for address in [
                0, .max, .max - 16, end, end - 16, FrontEnd.userBase - 16, good[place] + 1,
                [driver.base, driver.used, driver.available][place],
            ] {
                var addresses = good
                addresses[place] = address
                let body =
                    le(UInt32(0)) + le(UInt32(0)) + addresses.flatMap { le($0) } + le(UInt64(0))
                XCTAssertNotEqual(
                    try frontEnd.socket.acknowledgement(VhostRequest.setVringAddr, body), 0,
                    "\(place) \(address)")
                XCTAssertTrue(FrontEnd.take(frontEnd.error), "\(place) \(address)")
            }
        }
        try frontEnd.set(VhostRequest.setVringAddr, frontEnd.addresses(of: driver))
        try frontEnd.enable()
        XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 512), VirtioStatus.ok)
        XCTAssertFalse(FrontEnd.take(frontEnd.error))
    }

    /// A hostile ring is not looked at any more; after a stop the front end can begin anew.
    func testARingThatBreaksRules() throws {
        let frontEnd = try frontEnd()
        try frontEnd.start()
        let driver = frontEnd.driver
        driver.store(UInt16(1000), at: driver.available + 2)
        frontEnd.signal()
        try eventually("the error descriptor is written") { FrontEnd.take(frontEnd.error) }
        _ = try frontEnd.stop()
        try frontEnd.negotiate()
        try frontEnd.setUpRing()
        try frontEnd.enable()
        XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 512), VirtioStatus.ok)
        XCTAssertFalse(FrontEnd.take(frontEnd.error))
    }

    /// A running ring stays what it is.
    func testARunningRingCannotBeChanged() throws {
        let frontEnd = try frontEnd()
        try frontEnd.start()
        XCTAssertEqual(
            try frontEnd.socket.acknowledgement(
                VhostRequest.setVringNum, le(UInt32(0)) + le(UInt32(32))), UInt64(EBUSY))
        XCTAssertEqual(
            try frontEnd.socket.acknowledgement(
                VhostRequest.setVringBase, le(UInt32(0)) + le(UInt32(5))), UInt64(EBUSY))
        var addresses = frontEnd.addresses(of: frontEnd.driver)
        try frontEnd.set(VhostRequest.setVringAddr, addresses)
        addresses[8] ^= 0x40
        XCTAssertEqual(
            try frontEnd.socket.acknowledgement(VhostRequest.setVringAddr, addresses),
            UInt64(EBUSY))
        XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 512), VirtioStatus.ok)
    }

    // MARK: Stop

    /// GET_VRING_BASE is answered when no request is under way, and says where the ring goes on.
    func testTheBaseWaitsForRequests() throws {
        let frontEnd = try frontEnd()
        try frontEnd.start()
        XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 512), VirtioStatus.ok)
        let release = hold([.read])
        for index in 0..<3 { frontEnd.add(VirtioType.read, length: 512, index: index) }
        frontEnd.publish()
        try waitForHeld(3)
        try frontEnd.socket.send(
            VhostMessage(request: VhostRequest.getVringBase, body: le(UInt32(0)) + le(UInt32(0))))
        // What follows is not looked at before.
        try frontEnd.socket.send(VhostMessage(request: VhostRequest.getQueueNum))
        XCTAssertTrue(try frontEnd.socket.isQuiet())
        release()
        let reply = try frontEnd.socket.receive()
        XCTAssertEqual(reply.request, VhostRequest.getVringBase)
        XCTAssertEqual([reply.number(0, 4), reply.number(4, 4)], [0, 4])
        XCTAssertEqual(try frontEnd.socket.receive().request, VhostRequest.getQueueNum)
        XCTAssertEqual(frontEnd.driver.reap().count, 3)
        // It takes no more, and goes on where it was.
        frontEnd.add(VirtioType.read, sector: 8, length: 512)
        frontEnd.publish(always: true)
        XCTAssertTrue(try frontEnd.socket.isQuiet())
        XCTAssertEqual(frontEnd.status(0), VirtioStatus.untouched)
        try frontEnd.setUpRing(base: 4)
        try frontEnd.enable()
        try frontEnd.finish(1)
        XCTAssertEqual(frontEnd.bytes(512), Self.content(at: 4096, 512))
        XCTAssertEqual(try frontEnd.stop(), 5)
        // A ring that has stopped says the same again.
        XCTAssertEqual(try frontEnd.stop(), 5)
    }

    /// A ring that has stopped, by GET_VRING_BASE or a reset, has no addresses any more: it waits for new ones.
    func testARingThatHasStoppedHasNoAddresses() throws {
        for resets in [false, true] {
            let frontEnd = try frontEnd()
            try frontEnd.start()
            XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 512), VirtioStatus.ok)
            if resets {
                try frontEnd.set(VhostRequest.resetDevice)
                try frontEnd.set(VhostRequest.setFeatures, le(FrontEnd.usualFeatures))
            } else {
                XCTAssertEqual(try frontEnd.stop(), 1)
            }
            let other = RingDriver(frontEnd.memory, size: FrontEnd.ringSize, at: 0x3_0000)
            try frontEnd.set(
                VhostRequest.setVringNum, le(UInt32(0)) + le(UInt32(FrontEnd.ringSize)))
            try frontEnd.set(VhostRequest.setVringBase, le(UInt32(0)) + le(UInt32(0)))
            try frontEnd.set(VhostRequest.setVringKick, le(UInt64(0)), [frontEnd.kick.raw])
            try frontEnd.set(VhostRequest.setVringAddr, frontEnd.addresses(of: other))
            try frontEnd.enable()
            frontEnd.driver.store(VirtioStatus.untouched, at: frontEnd.header(0) + 32)
            other.add([
                .init(address: frontEnd.header(0), length: 16),
                .init(address: FrontEnd.place(0), length: 512, isWritable: true),
                .init(address: frontEnd.header(0) + 32, length: 1, isWritable: true),
            ])
            other.publish()
            frontEnd.signal()
            try eventually("the request is used") { other.reap().count == 1 }
            XCTAssertEqual(frontEnd.status(0), VirtioStatus.ok)
        }
    }

    /// A ring that never ran has the base that was set.
    func testTheBaseOfARingThatNeverRan() throws {
        let frontEnd = try frontEnd()
        try frontEnd.negotiate()
        XCTAssertEqual(try frontEnd.stop(), 0)
        try frontEnd.set(VhostRequest.setVringBase, le(UInt32(0)) + le(UInt32(77)))
        XCTAssertEqual(try frontEnd.stop(), 77)
    }

    /// What is under way completes while a ring is not enabled; nothing else is taken.
    func testARingThatIsDisabled() throws {
        let frontEnd = try frontEnd()
        try frontEnd.start()
        let release = hold([.read])
        frontEnd.add(VirtioType.read, length: 512, index: 0)
        frontEnd.publish()
        try waitForHeld(1)
        try frontEnd.enable(false)
        frontEnd.add(VirtioType.read, length: 512, index: 1)
        frontEnd.publish(always: true)
        release()
        try frontEnd.finish(1)
        XCTAssertTrue(try frontEnd.socket.isQuiet())
        XCTAssertEqual([frontEnd.status(0), frontEnd.status(1)], [0, VirtioStatus.untouched])
        try frontEnd.enable()
        try frontEnd.finish(1)
        XCTAssertEqual(frontEnd.status(1), VirtioStatus.ok)
    }

    /// Without the protocol features a ring is enabled from its start.
    func testARingWithoutProtocolFeatures() throws {
        let frontEnd = try frontEnd()
        try frontEnd.negotiate(
            features: FrontEnd.usualFeatures & ~VhostFeature.protocolFeatures)
        try frontEnd.addMemory()
        try frontEnd.setUpRing()
        XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 512), VirtioStatus.ok)
    }

    /// A reset waits for requests, and the driver begins anew.
    func testResetOfTheDevice() throws {
        for request in [VhostRequest.resetDevice, VhostRequest.resetOwner] {
            let frontEnd = try frontEnd()
            try frontEnd.start()
            let release = hold([.read])
            frontEnd.add(VirtioType.read, length: 512)
            frontEnd.publish()
            try waitForHeld(1)
            try frontEnd.socket.send(
                VhostMessage(request: request, flags: 1 | VhostMessage.needReply))
            XCTAssertTrue(try frontEnd.socket.isQuiet())
            release()
            XCTAssertEqual(try frontEnd.socket.receive().number(0, 8), 0)
            try frontEnd.negotiate()
            try frontEnd.setUpRing()
            try frontEnd.enable()
            XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 512), VirtioStatus.ok)
        }
    }

    /// After a reset, the features say anew whether a ring waits for SET_VRING_ENABLE.
    func testAResetForgetsWhichRingsAreEnabled() throws {
        let frontEnd = try frontEnd()
        try frontEnd.start()
        try frontEnd.set(VhostRequest.resetDevice)
        try frontEnd.negotiate()
        try frontEnd.setUpRing()
        frontEnd.add(VirtioType.read, length: 512)
        frontEnd.publish(always: true)
        XCTAssertTrue(try frontEnd.socket.isQuiet())
        XCTAssertEqual(frontEnd.status(0), VirtioStatus.untouched)
        try frontEnd.set(VhostRequest.resetDevice)
        try frontEnd.negotiate(
            features: FrontEnd.usualFeatures & ~VhostFeature.protocolFeatures)
        try frontEnd.setUpRing()
        XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 512), VirtioStatus.ok)
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
