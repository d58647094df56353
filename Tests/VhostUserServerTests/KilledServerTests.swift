import CTestSupport
import XCTest

@testable import TestSupport

/// Servers that are killed under load, and their successors. BLOCKIO_SEED repeats a run.
final class KilledServerTests: FrontEndTestCase {
    /// How often a server is killed.
    private static let rounds = 50
    /// Each has 4 KiB of the image to itself.
    private static let slots = 16

    /// What a slot is doing: it writes its next content, and then reads it.
    private struct Slot {
        var version = 0
        var isReading = false
        var head: UInt16?
    }

    private var queueCount = 1
    /// The ring that has the requests of a slot.
    private func ring(_ slot: Int) -> Int { slot % queueCount }

    private var slots = [Slot](repeating: Slot(), count: slots)
    private var completed = 0

    private func content(_ slot: Int, _ version: Int) -> [UInt8] {
        version == 0
            ? Self.content(at: 4096 * slot, 4096) : Self.pattern(4096, seed: slot + 31 * version)
    }

    /// Gives each slot without a request the next one.
    private func submit(_ frontEnd: FrontEnd) {
        for index in slots.indices where slots[index].head == nil {
            let type: UInt32
            if slots[index].isReading {
                type = VirtioType.read
                frontEnd.fill([UInt8](repeating: 0xDB, count: 4096), index: index)
            } else {
                type = VirtioType.write
                slots[index].version += 1
                frontEnd.fill(content(index, slots[index].version), index: index)
            }
            slots[index].head = frontEnd.add(
                type, sector: UInt64(8 * index), length: 4096, index: index, ring: ring(index))
        }
        for ring in 0..<queueCount { frontEnd.publish(always: true, ring: ring) }
    }

    /// Checks what has completed.
    private func reap(_ frontEnd: FrontEnd) throws {
        for ring in 0..<queueCount {
            for (head, _) in frontEnd.rings[ring].driver.reap() {
                try check(head, of: ring, frontEnd)
            }
        }
    }

    private func check(_ head: UInt16, of ring: Int, _ frontEnd: FrontEnd) throws {
        let found = slots.indices.first { self.ring($0) == ring && slots[$0].head == head }
        guard let index = found else {
            throw FixtureError.failed("request \(head) was used twice, \(Seed.text)")
        }
        slots[index].head = nil
        completed += 1
        XCTAssertEqual(frontEnd.status(index), VirtioStatus.ok, Seed.text)
        if slots[index].isReading {
            XCTAssertEqual(
                frontEnd.bytes(4096, index: index), content(index, slots[index].version),
                "slot \(index), version \(slots[index].version), \(Seed.text)")
        }
        slots[index].isReading.toggle()
    }

    private func connect(_ path: String) throws -> CInt {
        var socket: CInt = -1
        try eventually("a server listens") {
            socket = cts_connect(path)
            return socket >= 0
        }
        return socket
    }

    /// No request is lost, none is done twice in a way that shows, and no block has wrong content.
    func testNoRequestIsLost() throws { try killServers() }

    func testNoRequestOfSeveralQueuesIsLost() throws {
        queueCount = 4
        try killServers()
    }

    private func killServers() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path("socket")
        let layout =
            le(UInt16(queueCount)) + le(UInt16(FrontEnd.ringSize)) + le(UInt32(0))
        var generator = SplitMix64(seed: Seed.value)
        var region: (file: Descriptor, size: UInt64)?
        var former: FrontEnd?
        for round in 0...Self.rounds {
            // After a kill the lock of the image and the socket may be busy for a moment.
            let server = try ProgramProcess(
                program: "blockio",
                [
                    "vhost-user-blk", "--socket-path", path, "--blk-file", pathForChildren,
                    "--engine", ["threads", "io_uring", "libaio"][round % 3],
                    "--num-queues", "\(queueCount)",
                ])
            let frontEnd = try FrontEnd(
                nil, connect(path), keeping: former, ringCount: queueCount)
            try frontEnd.negotiate(keepsRing: former != nil)
            try frontEnd.addMemory()
            if region == nil {
                let reply = try frontEnd.socket.ask(
                    VhostRequest.getInflightFD, le(UInt64(0)) + le(UInt64(0)) + layout)
                let file = try XCTUnwrap(frontEnd.socket.descriptors.first)
                region = (file, reply.number(0, 8))
            }
            let (file, size) = try XCTUnwrap(region)
            try frontEnd.set(
                VhostRequest.setInflightFD, le(size) + le(UInt64(0)) + layout, [file.raw])
            // After a crash QEMU says where the used ring is, and cloud-hypervisor where the available ring ends.
            for (ring, driver) in frontEnd.rings.map(\.driver).enumerated() {
                let index = round % 2 == 0 ? driver.used : driver.available
                try frontEnd.setUpRing(
                    base: driver.load(index + 2, as: UInt16.self), ring: ring)
                try frontEnd.enable(ring: ring)
            }
            let enough = completed + generator.number(0...200)
            try eventually("\(enough) requests complete, \(Seed.text)") {
                do {
                    try reap(frontEnd)
                } catch {
                    XCTFail("\(error)")
                    return true
                }
                if completed >= enough { return true }
                submit(frontEnd)
                return false
            }
            former = frontEnd
            if round < Self.rounds {
                server.signal(SIGKILL)
                _ = try server.end()
            } else {
                try eventually("all requests complete, \(Seed.text)") {
                    try? reap(frontEnd)
                    return slots.allSatisfy { $0.head == nil }
                }
                server.signal(SIGTERM)
                XCTAssertEqual(try server.end().status, 0)
            }
        }
        for (index, slot) in slots.enumerated() {
            XCTAssertEqual(try stored(at: 4096 * index, 4096), content(index, slot.version))
        }
    }
}
