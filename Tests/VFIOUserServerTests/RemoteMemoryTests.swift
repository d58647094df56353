import XCTest

@testable import TestSupport

/// Memory without a descriptor: DMA_READ and DMA_WRITE.
final class RemoteMemoryTests: ServerTestCase {
    func testReadsComeByMessageAndTheSocketIsServedMeanwhile() throws {
        try mapped()
        function.onDoorbell = { [function] in function.start(.toDevice, [(0x10800, 1024)]) }
        try assertWorks(FakeFunction.ringDoorbell)
        let command = try peer.command(VFIOCommand.dmaRead)
        XCTAssertEqual([command.u64(0), command.u64(8)], [0x10800, 1024])
        // As a processor that polls a register, while nobody can answer.
        for _ in 0..<10 { try assertWorks(VFIORequest.read(VFIORegion.bar0, 0, 1)) }
        XCTAssertEqual(function.results, [])
        try peer.send(answer(command, data(1024)))
        XCTAssertTrue(try peer.isQuiet())
        XCTAssertEqual(function.results.map(\.outcome), [.success])
        XCTAssertEqual(function.data, data(1024))
        XCTAssertEqual(server.statistics.messageBytesRead, 1024)
    }

    func testWritesGoByMessageAndEndWithTheAnswer() throws {
        try mapped()
        function.data = data(1024)
        function.onDoorbell = { [function] in
            function.start(.fromDevice, [(0x10000, 512), (0x10400, 512)])
        }
        try assertWorks(FakeFunction.ringDoorbell)
        let first = try peer.command(VFIOCommand.dmaWrite)
        let second = try peer.command(VFIOCommand.dmaWrite)
        XCTAssertEqual(first.body, le(UInt64(0x10000)) + le(UInt64(512)) + data(512))
        XCTAssertEqual(second.body, le(UInt64(0x10400)) + le(UInt64(512)) + data(512, from: 512))
        try assertWorks(VFIORequest.read(VFIORegion.bar0, 0, 1))
        // In any order; the specification has the count in 4 bytes, QEMU in 8.
        try peer.send(answer(second, []))
        XCTAssertTrue(try peer.isQuiet())
        XCTAssertEqual(function.results, [])
        var short = answer(first, [])
        short.body.removeLast(4)
        try peer.send(short)
        XCTAssertTrue(try peer.isQuiet())
        XCTAssertEqual(function.results.map(\.outcome), [.success])
        XCTAssertEqual(server.statistics.messageBytesWritten, 1024)
    }

    func testMessagesKeepToThePeersLimit() throws {
        try mapped(limit: 512)
        function.onDoorbell = { [function] in function.start(.toDevice, [(0x10000, 0x10000)]) }
        try assertWorks(FakeFunction.ringDoorbell)
        var done = 0
        while done < 0x10000 {
            let command = try peer.command(VFIOCommand.dmaRead)
            XCTAssertEqual(command.u64(0), 0x10000 + UInt64(done))
            let count = Int(command.u64(8))
            XCTAssertEqual(count, 512)
            try peer.send(answer(command, data(count, from: done)))
            done += count
        }
        XCTAssertTrue(try peer.isQuiet())
        XCTAssertEqual(function.data, data(0x10000))
        XCTAssertEqual(function.results.map(\.outcome), [.success])
    }

    func testMixedWithMappedMemory() throws {
        try mapped()
        let memory = try memory(size: 4096)
        try assertWorks(VFIORequest.map(0x20000, 4096), [memory.raw])
        function.data = data(1536)
        function.onDoorbell = { [function] in
            function.start(.fromDevice, [(0x20000, 512), (0x10000, 512), (0x20800, 512)])
        }
        try assertWorks(FakeFunction.ringDoorbell)
        let command = try peer.command(VFIOCommand.dmaWrite)
        XCTAssertEqual(command.body, le(UInt64(0x10000)) + le(UInt64(512)) + data(512, from: 512))
        try peer.send(answer(command, []))
        XCTAssertTrue(try peer.isQuiet())
        var bytes = [UInt8](repeating: 0, count: 4096)
        XCTAssertEqual(pread(memory.raw, &bytes, 4096, 0), 4096)
        XCTAssertEqual(Array(bytes[..<512]), data(512))
        XCTAssertEqual(Array(bytes[0x800..<0xA00]), data(512, from: 1024))
    }

    func testAnswersThatAreNoneFailTheTransfer() throws {
        try mapped()
        function.onDoorbell = { [function] in function.start(.toDevice, [(0x10000, 512)]) }
        let wrong: [(VFIOMessage) -> VFIOMessage] = [
            {
                var failure = self.answer($0, self.data(512))
                failure.flags = VFIOMessageFlags.errorReply
                failure.error = UInt32(EIO)
                return failure
            },
            { self.answer($0, self.data(511)) },
            { self.answer($0, self.data(513)) },
            { self.answer($0, []) },
            { VFIOMessage(id: $0.id, command: $0.command, flags: VFIOMessageFlags.reply) },
            {
                var other = self.answer($0, self.data(512))
                other.body[0] = 1
                return other
            },
        ]
        for (index, change) in wrong.enumerated() {
            try assertWorks(FakeFunction.ringDoorbell)
            try peer.send(change(try peer.command(VFIOCommand.dmaRead)))
            XCTAssertTrue(try peer.isQuiet())
            XCTAssertEqual(function.results.count, index + 1)
            guard case .fault? = function.results.last?.outcome else {
                return XCTFail("case \(index): \(function.results)")
            }
        }
    }

    func testAnswersThatNobodyAskedForMeanNothing() throws {
        try mapped()
        function.onDoorbell = { [function] in function.start(.toDevice, [(0x10000, 512)]) }
        try assertWorks(FakeFunction.ringDoorbell)
        let command = try peer.command(VFIOCommand.dmaRead)
        var other = answer(command, data(512))
        other.id &+= 1
        try peer.send(other)
        other = answer(command, data(512))
        other.command = VFIOCommand.dmaWrite
        try peer.send(other)
        XCTAssertTrue(try peer.isQuiet())
        XCTAssertEqual(function.results, [])
        try peer.send(answer(command, data(512)))
        try peer.send(answer(command, data(512)))
        XCTAssertTrue(try peer.isQuiet())
        XCTAssertEqual(function.results.map(\.outcome), [.success])
    }

    /// While a peer waits for the reply to DMA_UNMAP or DEVICE_RESET it may serve nothing.
    func testUnmapAndResetDoNotWaitForThePeer() throws {
        try mapped()
        function.onDoorbell = { [function] in function.start(.toDevice, [(0x10000, 512)]) }
        try assertWorks(FakeFunction.ringDoorbell)
        let late = try peer.command(VFIOCommand.dmaRead)
        try assertWorks(VFIORequest.unmap(0x10000, 0x10000))
        XCTAssertEqual(function.results.count, 1)
        // Its buffer may be somebody else's by now.
        try peer.send(answer(late, data(512)))
        try assertWorks(VFIORequest.map(0x10000, 0x10000))
        try assertWorks(FakeFunction.ringDoorbell)
        _ = try peer.command(VFIOCommand.dmaRead)
        try assertWorks(VFIORequest.reset)
        XCTAssertEqual(function.results.count, 2)
        for result in function.results {
            guard case .fault = result.outcome else { return XCTFail("\(result)") }
        }
        XCTAssertEqual(function.data, [])
    }

    func testReadableMemoryIsNotWritten() throws {
        try mapped(flags: VFIOMapFlags.readable)
        function.data = data(512)
        function.onDoorbell = { [function] in function.start(.fromDevice, [(0x10000, 512)]) }
        try assertWorks(FakeFunction.ringDoorbell)
        XCTAssertTrue(try peer.isQuiet())
        XCTAssertEqual(function.results.map(\.outcome), [.success])
    }

    func testWhatCannotWaitIsRefused() throws {
        try mapped()
        XCTAssertThrowsError(try space.load(at: 0x10000, as: UInt8.self))
        XCTAssertThrowsError(try space.store(UInt8(1), at: 0x10000))
        XCTAssertThrowsError(try space.fill(at: 0x10000, with: 1, count: 1))
        XCTAssertTrue(try peer.isQuiet())
    }

    func testAPeerThatVanishesFailsWhatItWasAskedFor() throws {
        try mapped()
        function.onDoorbell = { [function] in
            for _ in 0..<100 { function.start(.toDevice, [(0x10000, 512)]) }
        }
        try assertWorks(FakeFunction.ringDoorbell)
        _ = try peer.command(VFIOCommand.dmaRead)
        peer.socket.close()
        for _ in 0..<10 { try server.turn(milliseconds: 0) }
        XCTAssertFalse(server.isConnected)
        XCTAssertEqual(function.results.count, 100)
        XCTAssertEqual(function.mapper?.statistics.active, 0)
    }
}
