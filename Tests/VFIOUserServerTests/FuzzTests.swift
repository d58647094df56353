import CTestSupport
import XCTest

@testable import TestSupport
@testable import VFIOUserServer

/// Messages by chance, most of them nearly right. BLOCKIO_SEED repeats a run, BLOCKIO_ROUNDS makes it
/// longer.
final class FuzzTests: ServerTestCase {
    private var generator = SplitMix64(seed: Seed.value)

    private func pick<Value>(_ values: [Value]) -> Value {
        values[generator.number(0...values.count - 1)]
    }

    private func number() -> UInt64 {
        switch generator.number(0...5) {
        case 0: 0
        case 1: UInt64(generator.number(0...16))
        case 2: UInt64(generator.number(0...64)) << 12
        case 3: 1 << UInt64(generator.number(0...63))
        case 4: 0 &- UInt64(generator.number(0...8192))
        default: generator.next()
        }
    }

    private func message() -> VFIOMessage {
        let u32 = { UInt32(truncatingIfNeeded: self.number()) }
        var message =
            switch generator.number(0...16) {
            case 0: VFIORequest.version(pick([nil, "{}", #"{"capabilities":{}}"#, "{", "\0"]))
            case 1, 2:
                VFIORequest.map(
                    number(), number(), offset: pick([0, number()]),
                    flags: pick([VFIOMapFlags.readableAndWriteable, u32()]))
            case 3: VFIORequest.map(UInt64(generator.number(0...15)) << 12, 4096)
            case 4: VFIORequest.unmap(UInt64(generator.number(0...15)) << 12, 4096)
            case 5: VFIORequest.unmap(number(), number())
            case 6:
                pick([VFIORequest.info, VFIORequest.regionInfo(u32()), VFIORequest.irqInfo(u32())])
            case 7:
                VFIORequest.setIRQs(
                    u32() & 0x3F, index: pick([0, u32()]), count: pick([0, 1, u32()]))
            case 8: VFIORequest.read(u32() & 15, number(), u32())
            case 9:
                VFIORequest.read(
                    pick([VFIORegion.bar0, VFIORegion.bar4, VFIORegion.configuration]),
                    UInt64(generator.number(0...7)), 4)
            case 10:
                VFIORequest.write(
                    pick([VFIORegion.bar0, VFIORegion.bar4, VFIORegion.configuration]),
                    UInt64(generator.number(0...15)),
                    (0..<generator.number(0...16)).map { UInt8($0) })
            case 11:
                VFIORequest.feature(u32(), [UInt8](repeating: 0, count: generator.number(0...48)))
            case 12:
                pick([
                    VFIORequest.reset, FakeFunction.ringDoorbell, FakeFunction.ringDoorbell,
                ])
            case 13:
                VFIOMessage(
                    id: UInt16(generator.number(0...40)),
                    command: pick([VFIOCommand.dmaRead, VFIOCommand.dmaWrite]),
                    flags: pick([VFIOMessageFlags.reply, VFIOMessageFlags.errorReply]),
                    body: le(number()) + le(number()) + le(number()))
            default: answer()
            }
        switch generator.number(0...9) {
        case 0:
            if !message.body.isEmpty {
                message.body.removeLast(generator.number(1...message.body.count))
            }
        case 1: message.body += [UInt8](repeating: 0xFF, count: generator.number(1...64))
        case 2:
            if !message.body.isEmpty {
                message.body[generator.number(0...message.body.count - 1)] ^=
                    1 << UInt8(generator.number(0...7))
            }
        case 3: message.flags = u32() & 0x3F
        case 4: message.command = UInt16(generator.number(0...20))
        default: break
        }
        return message
    }

    /// What the server has asked for and has no answer to.
    private var asked: [VFIOMessage] = []
    private var input: [UInt8] = []

    /// An answer to one of the server's requests, most often the good one; sometimes it can be answered
    /// again.
    private func answer() -> VFIOMessage {
        guard !asked.isEmpty else { return FakeFunction.ringDoorbell }
        let place = generator.number(0...asked.count - 1)
        let command = asked[place]
        if generator.number(0...9) > 0 { asked.remove(at: place) }
        let count = command.command == VFIOCommand.dmaRead ? Int(command.u64(8)) : 0
        return answer(command, data(generator.number(0...19) > 0 ? count : count / 2))
    }

    func testPeersThatSayAnything() throws {
        let memories = [
            try memory(size: 1 << 16), try memory(size: 4096),
            try memory(size: 1 << 16, sealed: false),
        ]
        let pipe = try Descriptor.pipe()
        let event = Descriptor(
            try SystemCall.check(cts_eventfd(), "eventfd"))
        let descriptors = memories.map(\.raw) + [pipe.writing.raw, event.raw]
        function.onDoorbell = { [function] in
            for address in [UInt64(0), 0x3000, 0x8800] {
                function.start(.toDevice, [(address, 512), (address + 0x1000, 512)])
                function.start(.fromDevice, [(address, 1024)])
                // More than may be asked for at a time.
                function.start(.toDevice, [(0, 0x10000), (address, 0x8000)])
            }
        }
        var messages: UInt64 = 0
        var byMessage: UInt64 = 0
        for _ in 0..<300 * Rounds.count {
            try connect()
            asked = []
            input = []
            if generator.number(0...9) > 0 {
                try negotiate(
                    pick([nil, nil, #"{"capabilities":{"max_data_xfer_size":512}}"#]))
            }
            // Now and then all memory has to be asked for.
            if generator.number(0...2) == 0 { try peer.send(VFIORequest.map(0, 0x20000)) }
            var bytes: [UInt8] = []
            for _ in 0..<generator.number(1...60) where server.isConnected {
                bytes = message().bytes
                if generator.number(0...99) == 0 {
                    bytes[generator.number(0...15)] = UInt8(truncatingIfNeeded: generator.next())
                }
                let number = pick([0, 0, 0, 1, 1, 2, 9])
                let some = (0..<number).map { _ in pick(descriptors) }
                // A server that has hung up is as good an answer as any.
                _ = cts_send(peer.socket.raw, bytes, bytes.count, some, number)
                if generator.number(0...3) == 0 { try drain() }
            }
            function.pci.setInterrupt(isRaised: generator.number(0...1) == 0)
            try drain()
            peer.socket.close()
            for _ in 0..<10 where server.isConnected { try server.turn(milliseconds: 0) }
            XCTAssertFalse(server.isConnected, Seed.text)
            XCTAssertEqual(function.mapper?.statistics.active, 0, Seed.text)
            XCTAssertNil(byte(at: 0), Seed.text)
            messages += server.statistics.messages
            byMessage += server.statistics.messageBytesRead
            byMessage += server.statistics.messageBytesWritten
        }
        let good = function.results.filter { $0.outcome == .success }.count
        print(
            "\(messages) messages, \(function.results.count) transfers, \(good) of them good, "
                + "\(byMessage) bytes by message, seed \(Seed.text)")
        // Most of it gets as far as it can.
        XCTAssertGreaterThan(messages, UInt64(5000 * Rounds.count), Seed.text)
        XCTAssertGreaterThan(function.results.count, 300 * Rounds.count, Seed.text)
        XCTAssertGreaterThan(byMessage, UInt64(100_000 * Rounds.count), Seed.text)
        // After all that, a peer that behaves is served.
        try connect()
        try negotiate()
        try assertWorks(VFIORequest.info)
    }

    /// Lets the server work, and keeps what it asks for.
    private func drain() throws {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        var count = 0
        repeat {
            try server.turn(milliseconds: 0)
            count = recv(peer.socket.raw, &buffer, buffer.count, CInt(MSG_DONTWAIT))
            input += buffer[..<max(0, count)]
        } while count > 0
        while let (message, length) = VFIOMessage.first(of: input) {
            input.removeFirst(length)
            if !message.isReply { asked.append(message) }
        }
        // Never more than the room for requests, but for those of which the server has given up.
        XCTAssertLessThan(asked.count, 1100, Seed.text)
    }
}
