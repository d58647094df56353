import BlockIO
import Foundation
import GuestMemory
import XCTest

@testable import TestSupport
@testable import VirtioBlock

/// Accesses to the registers of virtio-mmio while other threads have its queues.
final class RegisterThreadTests: MMIOTestCase {
    /// An access may be DMA of another device under the lock of its queue, which the thread that has this
    /// queue may be waiting for: no access waits for a queue, and what it asks for is done nevertheless.
    func testAccessesDoNotWaitForAQueue() throws {
        try forEachMachine { machine, _ in
            try machine.start()
            // This thread has the queue, as one that is at work on a request.
            try machine.mmio.withQueue(0) { _ in
                let ring = machine.rings[0]
                ring.store(VirtioType.flush, at: machine.header(0))
                ring.store(VirtioStatus.untouched, at: machine.header(0) + 32)
                ring.add([
                    .init(address: machine.header(0), length: 16),
                    .init(address: machine.header(0) + 32, length: 1, isWritable: true),
                ])
                ring.publish()
                let found = try machine.onAnotherThread { mmio in
                    _ = mmio.write(offset: 0x50, width: 4, value: 0)
                    return [0x44, 0x70].map { mmio.read(offset: $0, width: 4) }
                }
                XCTAssertEqual(found, [1, 15])
                XCTAssertEqual(machine.requestStatus(0), VirtioStatus.untouched)
            }
            try machine.takeInterrupt()
            XCTAssertEqual(machine.requestStatus(0), VirtioStatus.ok)
            // A reset has not ended before the queue has been reset.
            try machine.mmio.withQueue(0) { _ in
                let found = try machine.onAnotherThread { mmio in
                    _ = mmio.write(offset: 0x70, width: 4, value: 0)
                    _ = mmio.write(offset: 0x30, width: 4, value: 0)
                    return [0x44, 0x70].map { mmio.read(offset: $0, width: 4) }
                }
                XCTAssertEqual(found, [1, 64])
            }
            XCTAssertEqual(machine.status, 0)
            XCTAssertEqual(machine.read(0x44), 0)
            try machine.start()
            XCTAssertEqual(try machine.run(VirtioType.flush), VirtioStatus.ok)
        }
    }

    /// Accesses leave few jobs for a queue that another thread has, whatever their number.
    func testTheJobsOfABusyQueueStayFew() throws {
        try forEachMachine { machine, _ in
            try machine.start()
            // Each ring that is started has one request, because a new ring begins at index 0.
            machine.add(VirtioType.secureErase)
            XCTAssertEqual(machine.mmio.statistics(ofQueue: 0).requests, 1)
            var most = 0
            machine.write(0x30, 0)
            machine.mmio.withQueue(0) { _ in
                for _ in 0..<10_000 {
                    for (register, value): (UInt64, UInt32) in [(0x44, 0), (0x44, 1), (0x50, 0)] {
                        machine.write(register, value)
                        most = max(most, machine.mmio.queues[0].jobCount)
                    }
                }
            }
            // A reset, a service from before it, a start, and a service.
            XCTAssertEqual(most, 4)
            XCTAssertEqual(machine.mmio.queues[0].jobCount, 0)
            XCTAssertEqual(machine.mmio.statistics(ofQueue: 0).requests, 2)
            try machine.takeInterrupt()
            XCTAssertEqual(machine.rings[0].reap().count, 1)
            XCTAssertEqual(try machine.run(VirtioType.flush), VirtioStatus.ok)
            machine.mmio.withQueue(0) { _ in
                for _ in 0..<10_000 { machine.status = 0 }
                XCTAssertEqual(machine.mmio.queues[0].jobCount, 1)
                XCTAssertEqual(machine.status, 64)
            }
            XCTAssertEqual(machine.status, 0)
            try machine.start()
            XCTAssertEqual(try machine.run(VirtioType.flush), VirtioStatus.ok)
        }
    }

    /// A queue that gets a new request and a notification with each request that it carries out: the thread
    /// that has the queue leaves it, and asks for a poll.
    func testNotificationsDoNotKeepAThread() throws {
        // So that the test ends when it fails.
        let limit = 20_000
        try forEachRenewingDevice(limit: limit) { machine, device in
            machine.write(0x50, 0)
            let ofAccess = device.writes
            XCTAssertGreaterThan(ofAccess, 2)
            XCTAssertLessThan(ofAccess, limit / 10)
            let polls = machine.heard.polls
            XCTAssertGreaterThan(polls, 0)
            machine.mmio.poll()
            XCTAssertGreaterThan(device.writes, ofAccess)
            XCTAssertLessThan(device.writes, limit / 10)
            XCTAssertGreaterThan(machine.heard.polls, polls)
            device.stop()
            machine.mmio.poll()
            XCTAssertEqual(machine.mmio.queues[0].jobCount, 0)
            XCTAssertEqual(
                machine.mmio.statistics(ofQueue: 0).requests, UInt64(device.writes))
            XCTAssertEqual(machine.status, 15)
        }
    }

    /// A notification that comes with the last request that an access carries out is not lost, although the
    /// ring has no further request at that time.
    func testTheJobThatIsLeftAsksForAPoll() throws {
        // All requests that one access carries out.
        let limit = LockedQueue.roundLimit * 64
        try forEachRenewingDevice(limit: limit) { machine, device in
            machine.write(0x50, 0)
            XCTAssertEqual(device.writes, limit)
            XCTAssertEqual(machine.mmio.queues[0].jobCount, 1)
            XCTAssertEqual(machine.heard.polls, 1)
            machine.mmio.poll()
            XCTAssertEqual(machine.mmio.queues[0].jobCount, 0)
            XCTAssertEqual(machine.heard.polls, 1)
        }
    }

    /// Runs `check` with a machine that has two requests available whose data is a ``RenewingDevice``. The
    /// disk has not been notified of them.
    private func forEachRenewingDevice(
        limit: Int, _ check: (MMIOMachine, RenewingDevice) throws -> Void
    ) throws {
        try forEachMachine { machine, _ in
            try machine.start()
            let ring = machine.rings[0]
            let place: GuestAddress = 0xE000_0000
            let heads = (0..<2).map { index in
                ring.store(VirtioType.identify, at: machine.header(index))
                ring.store(VirtioStatus.untouched, at: machine.header(index) + 32)
                return ring.add([
                    .init(address: machine.header(index), length: 16),
                    .init(address: place.rawValue, length: 4, isWritable: true),
                    .init(address: machine.header(index) + 32, length: 1, isWritable: true),
                ])
            }
            let device = RenewingDevice(machine.mmio, ring, heads: heads, limit: limit)
            let region = try machine.space.map(
                .mmio(device, size: RenewingDevice.size), at: place)
            defer { try? machine.space.unmap(region) }
            ring.publish()
            try check(machine, device)
        }
    }

    /// What a queue does between the write to the status register and its own reset is of before the reset.
    func testNoInterruptComesAfterAReset() throws {
        try forEachMachine { machine, _ in
            try machine.start()
            let before = machine.mmio.resetNumber
            XCTAssertEqual(try machine.run(VirtioType.flush), VirtioStatus.ok)
            machine.status = 0
            machine.mmio.raise(InterruptStatus.used, afterReset: before)
            XCTAssertEqual(machine.read(0x60), 0)
            XCTAssertFalse(machine.heard.isRaised)
        }
    }

    /// Two devices whose DMA notifies each other, each on a thread of its own.
    func testTwoDevicesThatNotifyEachOther() throws {
        try forEachMachine { machine, _ in
            try forEachMachine { other, _ in
                // The registers of each are in the memory of the other.
                let place = MMIOMachine.registers &+ 0x1000
                let regions = (
                    try machine.space.map(.mmio(other.mmio, size: VirtioMMIO.size), at: place),
                    try other.space.map(.mmio(machine.mmio, size: VirtioMMIO.size), at: place)
                )
                defer {
                    try? machine.space.unmap(regions.0)
                    try? other.space.unmap(regions.1)
                }
                for one in [machine, other] {
                    try one.start()
                    // Zeroes, for queue 0.
                    XCTAssertEqual(
                        try one.run(VirtioType.write, [.init(address: 0x61_0000, length: 512)]),
                        VirtioStatus.ok)
                }
                let ended = Locked(0)
                let rounds = [machine, other].map {
                    Unmanaged.passRetained(NotifyingRounds($0, at: place &+ 0x50))
                }
                for index in 0..<2 {
                    nonisolated(unsafe) let one = rounds[index]
                    Thread.detachNewThread {
                        one._withUnsafeGuaranteedRef { $0.run(200) }
                        ended.withLock { $0 += 1 }
                    }
                }
                try eventually("both have ended") { ended.withLock { $0 == 2 } }
                // Not if they have not ended: the threads have no references.
                for one in rounds { one.release() }
                XCTAssertEqual(machine.requestStatus(0), VirtioStatus.ok)
                XCTAssertEqual(other.requestStatus(0), VirtioStatus.ok)
            }
        }
    }

    /// A driver whose requests have its device write to the registers of another one.
    private final class NotifyingRounds {
        private let machine: MMIOMachine
        private let target: GuestAddress

        init(_ machine: MMIOMachine, at target: GuestAddress) {
            self.machine = machine
            self.target = target
        }

        func run(_ count: Int) {
            for _ in 0..<count {
                machine.add(
                    VirtioType.read,
                    [
                        .init(address: target.rawValue, length: 4, isWritable: true),
                        .init(address: 0x60_0000, length: 508, isWritable: true),
                    ])
                while machine.rings[0].reap().isEmpty { machine.mmio.poll() }
            }
        }
    }

    /// The size is changed while another queue has a write: that queue has to be served for it.
    func testTheSizeIsChangedWhileAnotherQueueWrites() throws {
        try forEachMachine(queueCount: 2, queueLimit: 2) { machine, _ in
            try machine.start()
            let size = machine.mmio.device.image.size
            let rule = machine.faults.add(.init(.hold, operations: [.write]))
            machine.add(VirtioType.write, [.init(address: 0x60_0000, length: 4096)], queue: 1)
            XCTAssertTrue(machine.mmio.isBusy)
            machine.faults.remove(rule)
            machine.faults.release()
            // Nobody else serves the queues.
            let isDone = try machine.onAnotherThread { mmio in
                (try? mmio.resize(to: size + 65536)) != nil
            }
            XCTAssertTrue(isDone)
            XCTAssertEqual(machine.requestStatus(0), VirtioStatus.ok)
            XCTAssertEqual(machine.read(0x100), UInt32(size / 512 + 128))
            XCTAssertEqual(machine.read(0x60), 3)
        }
    }
}
