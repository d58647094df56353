import CTestSupport
import GuestMemory
import VhostUserServer
import XCTest

@testable import TestSupport

/// Messages by chance, most of them nearly right, and rings that a guest fills with anything. BLOCKIO_SEED repeats a
/// run, BLOCKIO_ROUNDS makes it longer.
final class FuzzTests: FrontEndTestCase {
    private var generator = SplitMix64(seed: Seed.value)

    private func pick<Value>(_ values: [Value]) -> Value {
        values[generator.number(0...values.count - 1)]
    }

    private func number() -> UInt64 {
        switch generator.number(0...6) {
        case 0: 0
        case 1: UInt64(generator.number(0...16))
        case 2: UInt64(generator.number(0...2048)) << 12
        case 3: 1 << UInt64(generator.number(0...63))
        case 4: 0 &- UInt64(generator.number(0...8192))
        case 5: FrontEnd.userBase + UInt64(generator.number(0...FrontEnd.memorySize))
        default: generator.next()
        }
    }

    private func u32() -> UInt32 { UInt32(truncatingIfNeeded: number()) }

    /// A message, and how many descriptors it has.
    private func message(_ frontEnd: FrontEnd) -> (VhostMessage, Int) {
        let ring = pick([0, 0, UInt32(frontEnd.rings.count - 1), u32()])
        let descriptors = pick([0, 1, 1, 1, 2])
        let region = pick([
            FrontEnd.wholeMemory,
            FrontEnd.region(
                guest: UInt64(generator.number(0...15)) << 20, size: 1 << 20,
                user: UInt64(generator.number(0...15)) << 20),
            FrontEnd.region(guest: number(), size: number(), user: number(), offset: number()),
        ])
        var message =
            switch generator.number(0...17) {
            case 0: VhostMessage(request: VhostRequest.setFeatures, body: le(number()))
            case 1:
                VhostMessage(
                    request: VhostRequest.setFeatures, body: le(FrontEnd.usualFeatures))
            case 2:
                VhostMessage(
                    request: VhostRequest.setMemTable,
                    body: le(u32() & 3) + le(UInt32(0)) + region + region)
            case 3, 4:
                VhostMessage(request: VhostRequest.addMemReg, body: le(UInt64(0)) + region)
            case 5:
                VhostMessage(request: VhostRequest.remMemReg, body: le(UInt64(0)) + region)
            case 6:
                VhostMessage(
                    request: VhostRequest.setVringNum,
                    body: le(ring) + le(pick([64, 64, 256, u32()])))
            case 7:
                VhostMessage(
                    request: VhostRequest.setVringAddr,
                    body: pick([
                        frontEnd.addresses(of: frontEnd.driver),
                        frontEnd.addresses(of: pick(frontEnd.rings).driver, index: ring),
                        le(ring) + le(u32()) + le(number()) + le(number()) + le(number())
                            + le(number()),
                    ]))
            case 8:
                VhostMessage(request: VhostRequest.setVringBase, body: le(ring) + le(u32()))
            case 9, 10:
                VhostMessage(
                    request: pick([
                        VhostRequest.setVringKick, VhostRequest.setVringCall,
                        VhostRequest.setVringErr,
                    ]), body: le(pick([0, UInt64(ring), UInt64(1 << 8), number()])))
            case 11:
                VhostMessage(
                    request: VhostRequest.setVringEnable, body: le(ring) + le(pick([0, 1, u32()])))
            case 12:
                VhostMessage(request: VhostRequest.getVringBase, body: le(ring) + le(UInt32(0)))
            case 13:
                VhostMessage(
                    request: pick([VhostRequest.getConfig, VhostRequest.setConfig]),
                    body: le(u32()) + le(u32()) + le(u32()) + le(number()))
            case 14:
                VhostMessage(
                    request: pick([VhostRequest.getInflightFD, VhostRequest.setInflightFD]),
                    body: le(pick([4096, number()])) + le(pick([0, number()]))
                        + le(UInt16(truncatingIfNeeded: number()))
                        + le(UInt16(truncatingIfNeeded: number())) + le(UInt32(0)))
            case 15:
                VhostMessage(
                    request: pick([VhostRequest.resetDevice, VhostRequest.resetOwner]))
            case 16:
                VhostMessage(
                    request: pick([VhostRequest.getFeatures, VhostRequest.getQueueNum]))
            default:
                VhostMessage(
                    request: UInt32(generator.number(0...42)),
                    body: (0..<generator.number(0...60)).map { UInt8(truncatingIfNeeded: $0) })
            }
        if generator.number(0...30) == 0, !message.body.isEmpty {
            message.body.removeLast(generator.number(1...message.body.count))
        }
        message.flags = pick([1, 1, 1, 1, 1, 1 | VhostMessage.needReply])
        if generator.number(0...200) == 0 { message.flags = u32() }
        return (message, descriptors)
    }

    /// Fills a stretch of the guest's memory with anything: rings, headers and tables.
    private func disturb(_ frontEnd: FrontEnd) {
        let ring = pick(frontEnd.rings)
        let driver = ring.driver
        for _ in 0..<generator.number(0...40) {
            let place =
                pick([driver.base, driver.available, driver.used, frontEnd.header(0)])
                + UInt64(generator.number(0...60)) * 8
            driver.store(number(), at: place)
        }
        // A request that could be one.
        driver.writeDescriptor(
            0, of: driver.base, frontEnd.header(0), 16, 1, next: 1)
        driver.writeDescriptor(
            1, of: driver.base, pick([FrontEnd.data, number()]), pick([512, u32()]),
            pick([1, 3, 4]), next: 2)
        driver.writeDescriptor(2, of: driver.base, frontEnd.header(0) + 32, 1, 2)
        driver.store(u32() & 15, at: frontEnd.header(0))
        driver.store(UInt64(generator.number(0...2100)), at: frontEnd.header(0) + 8)
        ring.signal()
    }

    func testTheServerSurvives() throws {
        image = try open(queueLimit: 3)
        for _ in 0..<20 * Rounds.count {
            let frontEnd = try frontEnd(
                VhostUserOptions(queueCount: Int(generator.number(1...3))))
            try frontEnd.negotiate()
            if generator.number(0...3) > 0 {
                try frontEnd.addMemory()
                for ring in frontEnd.rings.indices {
                    try frontEnd.setUpRing(ring: ring)
                    try frontEnd.enable(ring: ring)
                }
            }
            let copies = [frontEnd.memory.descriptor, frontEnd.kick.raw, frontEnd.call.raw]
            for _ in 0..<100 where frontEnd.server.isConnected {
                let (message, count) = self.message(frontEnd)
                let descriptors = (0..<count).map { _ in pick(copies) }
                guard
                    cts_send(
                        frontEnd.socket.socket.raw, message.bytes, message.bytes.count,
                        descriptors, descriptors.count) > 0
                else { break }
                if generator.number(0...2) == 0 { disturb(frontEnd) }
                try frontEnd.server.turn(milliseconds: 0)
                try frontEnd.socket.takeAll()
            }
            try frontEnd.server.disconnect()
            XCTAssertFalse(frontEnd.server.isConnected, Seed.text)
        }
        // The image can be served as before.
        let frontEnd = try frontEnd()
        try frontEnd.start()
        XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 512), VirtioStatus.ok, Seed.text)
    }
}
