import BlockHost
import CTestSupport
import GuestMemory
import XCTest

@testable import TestSupport
@testable import VFIOUserServer

/// Where messages begin and end, and which descriptors are whose.
final class FramingTests: ServerTestCase {
    private func inode(_ descriptor: CInt) throws -> UInt {
        var status = stat()
        try SystemCall.check(SystemCall.result(fstat(descriptor, &status)), "fstat")
        return UInt(status.st_ino)
    }

    /// The kernel glues messages together up to one with descriptors. All are sent before the first
    /// is received; then each must have its own.
    func testDescriptorsBelongToTheirOwnMessage() throws {
        var ends: [CInt] = [-1, -1]
        try SystemCall.check(cts_socketpair(&ends), "socketpair")
        let (receiver, sender) = (Descriptor(ends[0]), Descriptor(ends[1]))
        var generator = SplitMix64(seed: Seed.value)
        var expected: [(message: VFIOMessage, inodes: [UInt])] = []
        for id in 0..<100 {
            let memories = try (0..<generator.number(0...2) % 3).map { _ in try memory() }
            let body = [UInt8](repeating: UInt8(id), count: generator.number(0...300))
            let message = VFIOMessage(id: UInt16(id), command: VFIOCommand.regionRead, body: body)
            let bytes = message.bytes
            let numbers = memories.map(\.raw)
            XCTAssertEqual(
                cts_send(sender.raw, bytes, bytes.count, numbers, numbers.count), bytes.count)
            expected.append((message, try memories.map { try inode($0.raw) }))
        }
        let reader = MessageReader(receiver.raw)
        for (message, inodes) in expected {
            XCTAssertEqual(reader.receive(), .message, Seed.text)
            XCTAssertEqual(reader.header.id, message.id)
            XCTAssertEqual(Array(reader.body.bytes), message.body)
            XCTAssertEqual(
                reader.descriptorCount, inodes.count, "message \(message.id) \(Seed.text)")
            for (index, expected) in inodes.enumerated() {
                let descriptor = Descriptor(try XCTUnwrap(reader.takeDescriptor(index)))
                XCTAssertEqual(try inode(descriptor.raw), expected)
            }
            XCTAssertNil(reader.takeDescriptor(inodes.count))
        }
        XCTAssertEqual(reader.receive(), .incomplete)
        sender.close()
        XCTAssertEqual(reader.receive(), .end)
    }

    /// The same, seen from outside: maps and other messages, all sent before the server runs.
    func testGluedMapsShowTheirOwnMemory() throws {
        try negotiate()
        var ids: [UInt16] = []
        for number in 0..<20 {
            ids.append(try peer.send(VFIORequest.read(VFIORegion.bar0, 0, 4)))
            let memory = try memory(UInt8(number + 1))
            ids.append(
                try peer.send(VFIORequest.map(UInt64(number) << 12, 4096), [memory.raw]))
        }
        for id in ids { XCTAssertEqual(try peer.reply(to: id).failure, 0) }
        for number in 0..<20 {
            let address = GuestAddress(UInt64(number) << 12)
            XCTAssertEqual(byte(at: address), UInt8(number + 1))
        }
    }

    func testMessagesMayComeByteByByte() throws {
        try negotiate()
        let memory = try memory(7)
        var message = VFIORequest.map(0, 4096)
        message.id = 9
        for (index, byte) in message.bytes.enumerated() {
            try peer.send([byte], index == 20 ? [memory.raw] : [])
            if index < message.bytes.count - 1 { XCTAssertTrue(try peer.isQuiet()) }
        }
        XCTAssertEqual(try peer.reply(to: 9).failure, 0)
        XCTAssertEqual(byte(at: 0), 7)
    }

    func testDescriptorsThatNobodyTakesAreClosed() throws {
        try negotiate()
        let pipe = try Descriptor.pipe()
        for number in [1, 2, 8, 9, 40] {
            let copies = [CInt](repeating: pipe.writing.raw, count: number)
            XCTAssertEqual(try peer.request(VFIORequest.info, copies).failure, 0)
        }
        pipe.writing.close()
        XCTAssertEqual(try peer.request(VFIORequest.info).failure, 0)
        // At its end, the pipe is readable: nobody has the other side any more.
        XCTAssertEqual(cts_wait_readable(pipe.reading.raw, 0), 1)
    }

    /// A descriptor that there is no room for is not there: the message must not pass for one without.
    func testDescriptorsThatAreLost() throws {
        try negotiate()
        let memory = try memory(7)
        var limit = rlimit()
        let files = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        XCTAssertEqual(getrlimit(files, &limit), 0)
        let next = dup(memory.raw)
        close(next)
        var less = limit
        less.rlim_cur = rlim_t(next)
        XCTAssertEqual(setrlimit(files, &less), 0)
        let failure = Result { try peer.request(VFIORequest.map(0, 4096), [memory.raw]).failure }
        XCTAssertEqual(setrlimit(files, &limit), 0)
        XCTAssertEqual(try failure.get(), EMFILE)
        try assertWorks(VFIORequest.map(0, 4096), [memory.raw])
        XCTAssertEqual(byte(at: 0), 7)
    }

    func testSizesThatNoMessageHasEndTheConnection() throws {
        for size in [0, 15, UInt32(VFIOUser.Limit.message) + 1, .max] {
            try connect()
            try negotiate()
            try peer.send(
                le(UInt16(5)) + le(VFIOCommand.deviceGetInfo) + le(size) + le(UInt32(0))
                    + le(UInt32(0)))
            XCTAssertEqual(try peer.reply(to: 5).failure, EMSGSIZE)
            XCTAssertTrue(try peer.isHungUp())
            XCTAssertFalse(server.isConnected)
        }
    }

    func testTheLongestMessageIsTaken() throws {
        try negotiate()
        let data = [UInt8](repeating: 0, count: VFIOUser.Limit.transfer)
        // No region is that large, but the message is one.
        let id = try sendInParts(VFIORequest.write(VFIORegion.bar4, 0, data))
        XCTAssertEqual(try peer.reply(to: id).failure, EINVAL)
        XCTAssertEqual(try peer.request(VFIORequest.info).failure, 0)
    }

    /// More than a socket buffer holds.
    private func sendInParts(_ message: VFIOMessage) throws -> UInt16 {
        var message = message
        message.id = 1
        let bytes = message.bytes
        for start in stride(from: 0, to: bytes.count, by: 1 << 15) {
            try peer.send(Array(bytes[start..<min(start + 1 << 15, bytes.count)]))
            _ = try peer.isQuiet()
        }
        return 1
    }

    /// A peer that asks and never listens makes the server keep some answers, not all of them.
    func testAPeerThatDoesNotListenIsNotListenedTo() throws {
        try negotiate()
        let message = VFIORequest.readConfiguration(0, 256).bytes
        var isFull = false
        for _ in 0..<100_000 where !isFull {
            var room = pollfd(fd: peer.socket.raw, events: CShort(POLLOUT), revents: 0)
            poll(&room, 1, 0)
            if room.revents == 0 {
                for _ in 0..<50 { try server.turn(milliseconds: 0) }
                poll(&room, 1, 0)
                isFull = room.revents == 0
            } else {
                try peer.send(message)
            }
        }
        XCTAssertTrue(isFull)
        XCTAssertTrue(server.isConnected)
    }

    /// QEMU ends the connection when it receives less than a whole header.
    func testHeadersArriveWhole() throws {
        var ends: [CInt] = [-1, -1]
        try SystemCall.check(cts_socketpair(&ends), "socketpair")
        let (sender, receiver) = (Descriptor(ends[0]), Descriptor(ends[1]))
        var least: CInt = 1
        let size = socklen_t(MemoryLayout<CInt>.size)
        XCTAssertEqual(setsockopt(sender.raw, SOL_SOCKET, SO_SNDBUF, &least, size), 0)
        var generator = SplitMix64(seed: Seed.value)
        let writer = MessageWriter(sender.raw)
        var expected: [UInt8] = []
        var received: [UInt8] = []
        var boundary = 0
        var divided = 0
        for id in 0..<2000 as Range<UInt16> {
            let length = generator.number(0...(id % 5 == 0 ? 5000 : 60))
            let body = (0..<length).map { UInt8(truncatingIfNeeded: $0) }
            let message = VFIOMessage(id: id, command: VFIOCommand.regionRead, body: body)
            expected += message.bytes
            writer.begin(MessageHeader(id: id, command: VFIOCommand.regionRead, flags: 0))
            body.withUnsafeBytes { writer.put($0) }
            writer.end()
            guard id % 10 == 9 else { continue }
            repeat {
                XCTAssertTrue(writer.flush())
                var buffer = [UInt8](repeating: 0, count: 1 << 16)
                let count = recv(receiver.raw, &buffer, buffer.count, CInt(MSG_DONTWAIT))
                received += buffer[..<max(0, count)]
                // Where the last message begins that has not come as a whole.
                while received.count - boundary >= 16 {
                    let next =
                        boundary
                        + received[boundary...].withUnsafeBytes {
                            Int($0.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
                        }
                    if next > received.count { break }
                    boundary = next
                }
                let rest = received.count - boundary
                if rest > 0 { divided += 1 }
                XCTAssertTrue(rest == 0 || rest >= 16, "\(rest) bytes, \(Seed.text)")
            } while writer.backlog > 0
        }
        XCTAssertEqual(received, expected, Seed.text)
        XCTAssertGreaterThan(divided, 0, Seed.text)
    }

    /// A peer that waits until its message is taken before it reads: what it has been asked for must not
    /// keep the server from taking it.
    func testAPeerThatTakesNothingYetIsListenedTo() throws {
        try connect(sendBuffer: 1)
        try mapped()
        function.data = data(0x10000)
        function.onDoorbell = { [function] in
            function.start(.fromDevice, [(0x10000, 0x10000)])
        }
        try peer.send(FakeFunction.ringDoorbell)
        for _ in 0..<200 {
            try peer.send(VFIORequest.write(VFIORegion.bar0, 0, [1]))
            try server.turn(milliseconds: 0)
        }
        for _ in 0..<100 { try server.turn(milliseconds: 0) }
        XCTAssertEqual(function.accesses.count, 201)
        // And then it gets everything.
        for _ in 0..<2 { try peer.send(answer(try peer.command(VFIOCommand.dmaWrite), [])) }
        try assertWorks(VFIORequest.info)
        XCTAssertEqual(function.results.map(\.outcome), [.success])
    }

    func testNobodyHearsOfMessagesThatWantNoReply() throws {
        try negotiate()
        var write = VFIORequest.write(VFIORegion.bar0, 0, [42])
        write.flags = VFIOMessageFlags.noReply
        var wrong = VFIORequest.read(VFIORegion.bar5, 0, 1)
        wrong.flags = VFIOMessageFlags.noReply
        try peer.send(write)
        try peer.send(wrong)
        XCTAssertTrue(try peer.isQuiet())
        XCTAssertEqual(try peer.request(VFIORequest.read(VFIORegion.bar0, 0, 1)).body.last, 42)
    }

    func testUnknownCommandsTypesAndRepliesAreHarmless() throws {
        try negotiate()
        // 0 and 14 are nobody's, and 19 is the first behind the known ones.
        for command: UInt16 in [
            0, VFIOCommand.deviceGetRegionIOFDs, VFIOCommand.dmaRead, VFIOCommand.dmaWrite, 14,
            VFIOCommand.regionWriteMulti, VFIOCommand.migrationDataRead,
            VFIOCommand.migrationDataWrite, 19, .max,
        ] {
            try assertFails(VFIOMessage(command: command, body: [1, 2, 3]))
        }
        try peer.send(
            VFIOMessage(
                id: 77, command: VFIOCommand.dmaRead, flags: VFIOMessageFlags.reply,
                body: [1, 2, 3]))
        // Neither a command nor a reply.
        let odd = VFIOMessage(command: VFIOCommand.deviceGetInfo, flags: 2)
        XCTAssertEqual(try peer.request(odd).failure, EINVAL)
        try assertWorks(VFIORequest.info)
    }
}
