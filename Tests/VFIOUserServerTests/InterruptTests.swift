import BlockHost
import CTestSupport
import XCTest

@testable import TestSupport
@testable import VFIOUserServer

/// INTx: a level here, an edge on the wire.
final class InterruptTests: ServerTestCase {
    override func setUpWithError() throws {
        try super.setUpWithError()
        try negotiate()
    }

    private func event() throws -> Descriptor {
        Descriptor(try SystemCall.check(cts_eventfd(), "eventfd"))
    }

    /// How often it was written since the last time.
    private func count(_ event: Descriptor) -> UInt64 {
        var value: UInt64 = 0
        return read(event.raw, &value, 8) == 8 ? value : 0
    }

    private func connected() throws -> Descriptor {
        let event = try event()
        try assertWorks(VFIORequest.setIRQs(VFIOIRQFlags.triggerByEvent), [event.raw])
        return event
    }

    func testARiseIsSignalledOnceUntilItIsUnmasked() throws {
        let event = try connected()
        XCTAssertEqual(count(event), 0)
        function.pci.setInterrupt(isRaised: true)
        XCTAssertEqual(count(event), 1)
        function.pci.setInterrupt(isRaised: false)
        function.pci.setInterrupt(isRaised: true)
        XCTAssertEqual(count(event), 0)
        // Still high: again.
        try assertWorks(VFIORequest.setIRQs(VFIOIRQFlags.unmask))
        XCTAssertEqual(count(event), 1)
        function.pci.setInterrupt(isRaised: false)
        // Low: nothing, but the next rise.
        try assertWorks(VFIORequest.setIRQs(VFIOIRQFlags.unmask))
        XCTAssertEqual(count(event), 0)
        function.pci.setInterrupt(isRaised: true)
        XCTAssertEqual(count(event), 1)
        XCTAssertEqual(server.statistics.interrupts, 3)
        XCTAssertEqual(server.statistics.signals, 3)
    }

    func testANewEventIsSignalledWhileTheLevelIsHigh() throws {
        let first = try connected()
        function.pci.setInterrupt(isRaised: true)
        XCTAssertEqual(count(first), 1)
        let second = try connected()
        XCTAssertEqual(count(second), 1)
        XCTAssertEqual(count(first), 0)
        try assertWorks(VFIORequest.setIRQs(VFIOIRQFlags.trigger, count: 0))
        function.pci.setInterrupt(isRaised: false)
        function.pci.setInterrupt(isRaised: true)
        XCTAssertEqual(count(second), 0)
        let third = try connected()
        XCTAssertEqual(count(third), 1)
        // No descriptor takes it back too.
        try assertWorks(VFIORequest.setIRQs(VFIOIRQFlags.triggerByEvent))
        try assertWorks(VFIORequest.setIRQs(VFIOIRQFlags.unmask))
        XCTAssertEqual(count(third), 0)
    }

    func testMasking() throws {
        let event = try connected()
        try assertWorks(VFIORequest.setIRQs(VFIOIRQFlags.mask))
        function.pci.setInterrupt(isRaised: true)
        XCTAssertEqual(count(event), 0)
        try assertWorks(VFIORequest.setIRQs(VFIOIRQFlags.unmaskIfTrue, data: [0]))
        XCTAssertEqual(count(event), 0)
        try assertWorks(VFIORequest.setIRQs(VFIOIRQFlags.unmaskIfTrue, data: [1]))
        XCTAssertEqual(count(event), 1)
    }

    func testAPeerMayTryOutItsHandler() throws {
        let event = try connected()
        try assertWorks(VFIORequest.setIRQs(VFIOIRQFlags.trigger))
        XCTAssertEqual(count(event), 1)
    }

    func testUnmaskingByAnEvent() throws {
        let event = try connected()
        let unmask = try self.event()
        try assertWorks(VFIORequest.setIRQs(VFIOIRQFlags.unmaskByEvent), [unmask.raw])
        function.pci.setInterrupt(isRaised: true)
        XCTAssertEqual(count(event), 1)
        var one: UInt64 = 1
        XCTAssertEqual(write(unmask.raw, &one, 8), 8)
        try server.turn(milliseconds: 1000)
        XCTAssertEqual(count(event), 1)
        // Another takes its place.
        let other = try self.event()
        try assertWorks(VFIORequest.setIRQs(VFIOIRQFlags.unmaskByEvent), [other.raw])
        XCTAssertEqual(write(unmask.raw, &one, 8), 8)
        XCTAssertTrue(try peer.isQuiet())
        XCTAssertEqual(count(event), 0)
        XCTAssertEqual(write(other.raw, &one, 8), 8)
        try server.turn(milliseconds: 1000)
        XCTAssertEqual(count(event), 1)
    }

    /// A peer has the same eventfd as the server, so it stays open, and may be sent again.
    func testTheSameEventMayComeAgain() throws {
        let event = try connected()
        let unmask = try self.event()
        let before = watched()
        for round in 0..<6 {
            try assertWorks(VFIORequest.setIRQs(VFIOIRQFlags.unmaskByEvent), [unmask.raw])
            function.pci.setInterrupt(isRaised: true)
            XCTAssertEqual(count(event), 1, "\(round)")
            function.pci.setInterrupt(isRaised: false)
            var one: UInt64 = 1
            XCTAssertEqual(write(unmask.raw, &one, 8), 8)
            try server.turn(milliseconds: 1000)
        }
        // Those that were replaced, or taken back, wake nobody any more.
        XCTAssertEqual(watched(), before + 1)
        try assertWorks(VFIORequest.setIRQs(VFIOIRQFlags.unmaskByEvent))
        XCTAssertEqual(watched(), before)
        try assertWorks(VFIORequest.setIRQs(VFIOIRQFlags.unmaskByEvent), [unmask.raw])
        try assertWorks(VFIORequest.setIRQs(VFIOIRQFlags.trigger, count: 0))
        XCTAssertEqual(watched(), before)
        try assertWorks(VFIORequest.setIRQs(VFIOIRQFlags.unmaskByEvent), [unmask.raw])
        XCTAssertEqual(watched(), before + 1)
        peer.socket.close()
        for _ in 0..<10 { try server.turn(milliseconds: 0) }
        // The peer's socket was one more.
        XCTAssertEqual(watched(), before - 1)
    }

    /// How much the epoll instances of this process watch (proc(5), fdinfo).
    private func watched() -> Int {
        var count = 0
        for descriptor in 0..<1024 {
            guard let file = fopen("/proc/self/fdinfo/\(descriptor)", "r") else { continue }
            defer { fclose(file) }
            var line = [CChar](repeating: 0, count: 256)
            while fgets(&line, 256, file) != nil { count += strncmp(line, "tfd:", 4) == 0 ? 1 : 0 }
        }
        return count
    }

    /// A peer's eventfd may be one that waits.
    func testEventsDoNotWaitAnyMore() throws {
        for flags in [VFIOIRQFlags.triggerByEvent, VFIOIRQFlags.unmaskByEvent] {
            let event = try event()
            XCTAssertEqual(fcntl(event.raw, F_SETFL, 0), 0)
            try assertWorks(VFIORequest.setIRQs(flags), [event.raw])
            XCTAssertNotEqual(fcntl(event.raw, F_GETFL) & O_NONBLOCK, 0)
        }
    }

    /// The eventfd is full and its owner has made it one that waits: the peer's loss, and nobody waits.
    func testAnEventThatCannotBeWritten() throws {
        let event = try connected()
        let flags = fcntl(event.raw, F_GETFL)
        XCTAssertEqual(fcntl(event.raw, F_SETFL, flags & ~O_NONBLOCK), 0)
        var most = UInt64.max - 1
        XCTAssertEqual(write(event.raw, &most, 8), 8)
        function.pci.setInterrupt(isRaised: true)
        XCTAssertEqual(server.statistics.signals, 0)
        try assertWorks(VFIORequest.info)
        // Nor where there is nothing to be read.
        let unmask = try self.event()
        try assertWorks(VFIORequest.setIRQs(VFIOIRQFlags.unmaskByEvent), [unmask.raw])
        XCTAssertEqual(fcntl(unmask.raw, F_SETFL, flags & ~O_NONBLOCK), 0)
        let line = InterruptLine()
        line.connectUnmask(dup(unmask.raw))
        line.unmaskEventCame()
        XCTAssertTrue(try peer.isQuiet())
    }

    func testWhatMakesNoSenseIsRefused() throws {
        let event = try event()
        let pipe = try Descriptor.pipe()
        let set = Descriptor(try EpollSet().descriptor)
        for other in [pipe.reading.raw, pipe.writing.raw, set.raw] {
            try assertFails(VFIORequest.setIRQs(VFIOIRQFlags.triggerByEvent), [other])
            try assertFails(VFIORequest.setIRQs(VFIOIRQFlags.unmaskByEvent), [other])
        }
        try assertFails(VFIORequest.setIRQs(VFIOIRQFlags.triggerByEvent), [event.raw, event.raw])
        try assertFails(VFIORequest.setIRQs(VFIOIRQFlags.triggerByEvent, index: 1), [event.raw])
        try assertFails(VFIORequest.setIRQs(VFIOIRQFlags.triggerByEvent, start: 1), [event.raw])
        try assertFails(
            VFIORequest.setIRQs(VFIOIRQFlags.triggerByEvent, count: 2), [event.raw, event.raw])
        try assertFails(VFIORequest.setIRQs(VFIOIRQFlags.triggerByEvent, count: .max), [event.raw])
        try assertFails(VFIORequest.setIRQs(VFIOIRQFlags.trigger, index: 5, count: 0))
        try assertFails(
            VFIORequest.setIRQs(VFIOIRQFlags.dataEventFD | VFIOIRQFlags.actionMask), [event.raw])
        for flags: UInt32 in [
            // No action, every action, two actions.
            0, VFIOIRQFlags.dataNone, 0x3F, VFIOIRQFlags.trigger | VFIOIRQFlags.actionUnmask,
            VFIOIRQFlags.unmask | VFIOIRQFlags.actionMask,
            // Two kinds of data, a byte that is not there, no kind of data, a flag that does not exist.
            VFIOIRQFlags.trigger | VFIOIRQFlags.dataBool,
            VFIOIRQFlags.dataBool | VFIOIRQFlags.actionTrigger, VFIOIRQFlags.actionTrigger,
            VFIOIRQFlags.dataNone | 0x40,
        ] {
            try assertFails(VFIORequest.setIRQs(flags))
        }
        // Switching off what there is not is no error.
        for index: UInt32 in 0..<5 {
            try assertWorks(VFIORequest.setIRQs(VFIOIRQFlags.trigger, index: index, count: 0))
        }
    }
}
