import GuestMemory
import XCTest

@testable import TestSupport
@testable import VFIOUserServer

/// How much a server asks of a peer at a time, which transfer has its turn, and what a peer that does not
/// answer can hold up.
final class RequestWindowTests: ServerTestCase {
    private static let room = 64 << 10
    private static let base: UInt64 = 1 << 20

    override var bounceLimit: Int { 1 << 26 }

    /// Maps 64 MiB without a descriptor.
    private func mapMuch(limit: Int? = nil) throws {
        try mapped(limit: limit, at: Self.base, size: 1 << 26)
    }

    /// Writes to the doorbell, which calls `body`.
    private func ring(_ body: @escaping () -> Void) throws {
        function.onDoorbell = body
        try assertWorks(FakeFunction.ringDoorbell)
    }

    private func place(_ command: VFIOMessage) -> Int { Int(command.u64(0) - Self.base) }

    private func count(_ command: VFIOMessage) -> Int { Int(command.u64(8)) }

    private func sendGoodAnswer(_ command: VFIOMessage) throws {
        let isRead = command.command == VFIOCommand.dmaRead
        try peer.send(
            answer(command, isRead ? data(count(command), from: place(command)) : []))
    }

    /// Answers everything that is asked for, one request at a time, and checks that never more than the
    /// limit is outstanding. `pick` says which request of those outstanding is answered next.
    @discardableResult
    private func serve(
        _ first: [VFIOMessage] = [], pick: (Int) -> Int = { _ in 0 }
    ) throws -> [VFIOMessage] {
        var all = first
        var outstanding = first
        while true {
            let new = try peer.commands()
            all += new
            outstanding += new
            let bytes = outstanding.map(count).reduce(0, +)
            XCTAssertLessThanOrEqual(bytes, Self.room)
            XCTAssertLessThanOrEqual(outstanding.count, 32)
            XCTAssertLessThanOrEqual(new.map(count).max() ?? 0, Self.room / 2)
            guard bytes <= Self.room, !outstanding.isEmpty else { return all }
            try sendGoodAnswer(outstanding.remove(at: pick(outstanding.count)))
        }
    }

    // MARK: The limit

    func testReadsKeepToTheLimit() throws {
        try mapMuch()
        try ring { [function] in function.start(.toDevice, [(Self.base + 512, 1 << 20)]) }
        let commands = try serve()
        XCTAssertEqual(commands.map(count).reduce(0, +), 1 << 20)
        XCTAssertEqual(function.results.map(\.outcome), [.success])
        XCTAssertEqual(function.data, data(1 << 20, from: 512))
        XCTAssertEqual(server.statistics.messageBytesRead, 1 << 20)
    }

    func testWritesKeepToTheLimit() throws {
        try mapMuch()
        function.data = data(1 << 20)
        try ring { [function] in function.start(.fromDevice, [(Self.base, 1 << 20)]) }
        let commands = try serve()
        XCTAssertEqual(commands.flatMap { Array($0.body[16...]) }, data(1 << 20))
        XCTAssertEqual(commands.map(place).sorted(), commands.map(place))
        XCTAssertEqual(function.results.map(\.outcome), [.success])
        XCTAssertEqual(server.statistics.messageBytesWritten, 1 << 20)
    }

    /// Many transfers of both directions and of all sizes, answered in any order.
    func testAllTransfersShareTheLimit() throws {
        try mapMuch()
        var generator = SplitMix64(seed: Seed.value)
        function.data = data(1 << 20)
        var expected = 0
        try ring { [function] in
            for index in 0..<60 {
                let size = 512 << generator.number(0...9)
                let start = Self.base + UInt64(index) << 19
                expected += size
                function.start(index % 2 == 0 ? .toDevice : .fromDevice, [(start, size)])
            }
        }
        let commands = try serve { generator.number(0...$0 - 1) }
        XCTAssertEqual(commands.map(count).reduce(0, +), expected, Seed.text)
        XCTAssertEqual(
            function.results.map(\.outcome), [DMAResult.Outcome](repeating: .success, count: 60))
    }

    /// With a peer that takes 512 bytes at a time: 100,000 pieces wait (fewer under the sanitizers), and
    /// each is sent once.
    func testManyPiecesWait() throws {
        let pieces = Configuration.choice == "few" ? 10_000 : 100_000
        // The same bytes everywhere.
        let block = data(512)
        try mapMuch(limit: 512)
        try ring { [function] in
            function.start(.toDevice, [(Self.base, pieces * 512)])
        }
        var next = 0
        while true {
            let commands = try peer.commands()
            if commands.isEmpty { break }
            XCTAssertLessThanOrEqual(commands.count, 32)
            for command in commands {
                XCTAssertEqual(place(command), next * 512)
                XCTAssertEqual(count(command), 512)
                next += 1
                try peer.send(answer(command, block))
            }
        }
        XCTAssertEqual(next, pieces)
        XCTAssertEqual(function.results.map(\.outcome), [.success])
        XCTAssertEqual(function.data.count, pieces * 512)
        function.data.withUnsafeBytes { all in
            for start in stride(from: 0, to: all.count, by: 512) where all.count - start >= 512 {
                XCTAssertEqual(memcmp(all.baseAddress! + start, block, 512), 0, "\(start)")
            }
        }
        // The function hears of the transfer's end, not of each piece.
        XCTAssertLessThan(function.polls, 100)
    }

    // MARK: Turns

    /// A short transfer, such as that of a descriptor table, does not wait for all of a long one.
    func testTransfersTakeTurns() throws {
        try mapMuch()
        let short = Self.base + 1 << 25
        try ring { [function] in function.start(.toDevice, [(Self.base, 1 << 19)]) }
        let first = try peer.commands()
        XCTAssertEqual(first.map(count).reduce(0, +), Self.room)
        try ring { [function] in
            for index in 0..<3 as Range<UInt64> {
                function.start(.toDevice, [(short + index << 20, 512)])
            }
        }
        XCTAssertEqual(try peer.commands(), [])
        try sendGoodAnswer(first[0])
        let second = try peer.commands()
        try sendGoodAnswer(first[1])
        let third = try peer.commands()
        let places = (second + third).map(place)
        // One piece of the long transfer at most is sent before all three of the short ones.
        XCTAssertEqual(places.filter { $0 < 1 << 25 }.count, 1, "\(places)")
        XCTAssertEqual(places.filter { $0 >= 1 << 25 }.count, 3, "\(places)")
        try serve(second + third)
        XCTAssertEqual(function.results.count, 4)
        XCTAssertEqual(function.results.last?.transferred, 1 << 19)
    }

    /// Two transfers of many pieces go on at the same rate.
    func testTwoLongTransfersAreServedAlike() throws {
        try mapMuch()
        let second = Self.base + 1 << 25
        try ring { [function] in
            for start in [Self.base, second] { function.start(.toDevice, [(start, 1 << 20)]) }
        }
        var lead = 0
        for command in try serve() {
            lead += place(command) < 1 << 25 ? 1 : -1
            XCTAssertLessThanOrEqual(abs(lead), 3)
        }
        XCTAssertEqual(lead, 0)
        XCTAssertEqual(function.results.map(\.outcome), [.success, .success])
    }

    // MARK: Cancellation and failure

    /// A transfer that is cancelled while its pieces wait for room ends once, and others go on.
    func testCancellationWhilePiecesWaitForRoom() throws {
        try mapMuch()
        try ring { [function] in
            let transfers = (0..<3 as Range<UInt64>).map {
                function.start(.toDevice, [(Self.base + $0 << 20, 1 << 18)])
            }
            if let second = transfers[1] { function.cancel(second) }
        }
        try serve()
        XCTAssertEqual(function.results.filter { $0.outcome == .success }.count, 2)
        XCTAssertEqual(function.results.filter { $0.outcome == .cancelled }.count, 1)
        XCTAssertEqual(function.mapper?.statistics.active, 0)
        XCTAssertEqual(space.bouncePool.available, bounceLimit)
    }

    /// A piece that fails fails its transfer; the room that it had is free again.
    func testPiecesThatFailGiveTheirRoomBack() throws {
        try mapMuch()
        try ring { [function] in
            for index in 0..<2 as Range<UInt64> {
                function.start(.toDevice, [(Self.base + index << 20, 1 << 18)])
            }
        }
        var outstanding = try peer.commands()
        while let command = outstanding.first {
            outstanding.removeFirst()
            if place(command) < 1 << 20 {
                var wrong = answer(command, data(count(command) - 1))
                if place(command) % (1 << 16) == 0 { wrong.flags = VFIOMessageFlags.errorReply }
                try peer.send(wrong)
            } else {
                try sendGoodAnswer(command)
            }
            outstanding += try peer.commands()
            XCTAssertLessThanOrEqual(outstanding.map(count).reduce(0, +), Self.room)
        }
        XCTAssertEqual(function.results.count, 2)
        XCTAssertEqual(function.results.filter { $0.outcome == .success }.count, 1)
        XCTAssertEqual(function.data, data(1 << 18, from: 1 << 20))
    }

    func testAPeerThatGoesWhilePiecesWaitFailsAll() throws {
        try mapMuch()
        try ring { [function] in
            for index in 0..<8 as Range<UInt64> {
                function.start(.toDevice, [(Self.base + index << 20, 1 << 20)])
            }
        }
        try sendGoodAnswer(try XCTUnwrap(try peer.commands().first))
        peer.socket.close()
        for _ in 0..<10 { try server.turn(milliseconds: 0) }
        XCTAssertFalse(server.isConnected)
        XCTAssertEqual(function.results.count, 8)
        XCTAssertEqual(function.mapper?.statistics.active, 0)
        XCTAssertEqual(space.bouncePool.available, bounceLimit)
    }

    // MARK: Requests that were given up

    /// Begins transfers that fill the room, and has a reset make the server give them up; the requests.
    private func giveUp(_ transfers: Int, _ size: Int) throws -> [VFIOMessage] {
        try ring { [function] in
            for index in 0..<UInt64(transfers) {
                function.start(.toDevice, [(Self.base + index << 20, size)])
            }
        }
        let commands = try peer.commands()
        try assertWorks(VFIORequest.reset)
        return commands
    }

    /// A peer may forget what it was asked for before the reply to DEVICE_RESET.
    func testRequestsThatWereGivenUpDoNotBlockLaterOnes() throws {
        try mapMuch()
        for round in 1...8 {
            XCTAssertFalse(try giveUp(40, 512).isEmpty, "round \(round)")
            XCTAssertEqual(function.results.count, 40 * round + round - 1)
            try ring { [function] in function.start(.toDevice, [(Self.base, 1 << 17)]) }
            var left = 1 << 17
            while left > 0 {
                let command = try peer.command(VFIOCommand.dmaRead)
                left -= count(command)
                try sendGoodAnswer(command)
            }
            XCTAssertTrue(try peer.isQuiet())
            XCTAssertEqual(function.results.last?.outcome, .success, "round \(round)")
        }
    }

    /// What a peer may still answer counts, so that together no more than one piece above the limit is
    /// outstanding; and its late answers reach nobody.
    func testRequestsThatWereGivenUpCountUntilTheyAreAnswered() throws {
        try mapMuch()
        let late = try giveUp(2, 1 << 20)
        XCTAssertEqual(late.map(count).reduce(0, +), Self.room)
        try ring { [function] in function.start(.toDevice, [(Self.base, 1 << 18)]) }
        let probe = try peer.commands()
        XCTAssertEqual(probe.map(count), [Self.room / 2])
        for command in late { try peer.send(answer(command, data(count(command), from: 99))) }
        let next = try peer.commands()
        XCTAssertEqual(next.map(count), [Self.room / 2])
        XCTAssertTrue(Set(late.map(\.id)).isDisjoint(with: (probe + next).map(\.id)))
        try serve(probe + next)
        XCTAssertEqual(function.results.last?.outcome, .success)
        XCTAssertEqual(function.data, data(1 << 18))
    }

    /// DMA_UNMAP of memory without a descriptor fails what uses it, and nothing else.
    func testUnmapFailsOnlyWhatUsesTheMemory() throws {
        try mapMuch()
        let other: UInt64 = 1 << 28
        try assertWorks(VFIORequest.map(other, 1 << 20))
        try ring { [function] in
            function.start(.toDevice, [(Self.base, 1 << 17)])
            function.start(.toDevice, [(other, 1 << 17)])
            function.start(.toDevice, [(Self.base + 1 << 20, 512), (other + 1 << 18, 512)])
        }
        let asked = try peer.commands()
        XCTAssertEqual(asked.map { $0.u64(0) }, [Self.base, Self.base + 1 << 15])
        try assertWorks(VFIORequest.unmap(other, 1 << 20))
        let commands = try serve(asked)
        XCTAssertEqual(commands.filter { $0.u64(0) >= other }, [])
        XCTAssertEqual(commands.map(count).reduce(0, +), 1 << 17 + 512)
        XCTAssertEqual(function.results.count, 3)
        XCTAssertEqual(function.results.filter { $0.outcome == .success }.count, 1)
        // What was asked for already may be answered late.
        try assertWorks(VFIORequest.map(other, 1 << 20))
        try ring { [function] in function.start(.toDevice, [(other, 512)]) }
        let late = try peer.command(VFIOCommand.dmaRead)
        try assertWorks(VFIORequest.unmap(other, 1 << 20))
        XCTAssertEqual(function.results.count, 4)
        try peer.send(answer(late, data(512)))
        XCTAssertTrue(try peer.isQuiet())
        XCTAssertEqual(function.mapper?.statistics.active, 0)
    }

    /// An identifier is not used again before its answer has come. A peer that leaves ever more requests
    /// unanswered is not one to go on with.
    func testAPeerThatNeverAnswersIsLeft() throws {
        try mapMuch()
        var identifiers: Set<UInt16> = []
        var sent = 0
        for _ in 0..<2000 {
            try peer.send(FakeFunction.ringDoorbell)
            function.onDoorbell = { [function] in
                for index in 0..<40 as Range<UInt64> {
                    function.start(.toDevice, [(Self.base + index << 20, 512)])
                }
            }
            let commands = try peer.commands()
            identifiers.formUnion(commands.map(\.id))
            sent += commands.count
            XCTAssertEqual(identifiers.count, sent)
            try peer.send(VFIORequest.reset)
            for _ in 0..<3 { try server.turn(milliseconds: 0) }
            if !server.isConnected { break }
        }
        XCTAssertFalse(server.isConnected)
        XCTAssertGreaterThan(sent, 1000)
        XCTAssertEqual(function.mapper?.statistics.active, 0)
    }

    /// The same peer takes the memory away instead, which makes what it was asked for fail without a
    /// reply that waits. It is left long before there is no identifier for another request.
    func testAPeerThatTakesMemoryAwayInsteadOfAnsweringIsLeft() throws {
        try negotiate()
        function.onDoorbell = { [function] in
            for index in 0..<40 as Range<UInt64> {
                function.start(.toDevice, [(Self.base + index << 9, 512)])
            }
        }
        var sent = 0
        for _ in 0..<2000 {
            try peer.send(VFIORequest.map(Self.base, 1 << 20))
            try peer.send(FakeFunction.ringDoorbell)
            sent += try peer.commands().count
            try peer.send(VFIORequest.unmap(Self.base, 1 << 20))
            for _ in 0..<3 { try server.turn(milliseconds: 0) }
            if !server.isConnected { break }
        }
        XCTAssertFalse(server.isConnected)
        XCTAssertGreaterThan(sent, 1000)
        XCTAssertEqual(function.mapper?.statistics.active, 0)
    }
}
