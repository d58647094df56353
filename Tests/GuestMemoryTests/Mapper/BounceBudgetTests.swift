import Dispatch
import GuestMemory
import XCTest

@testable import TestSupport

/// The bounce buffers of an address space: shared by all, first come, first served.
final class BounceBudgetTests: XCTestCase {
    /// A device with a mapper of its own that notes when it is woken.
    private final class Client {
        let mapper: DMAMapper
        let wakes: Locked<Int>
        private(set) var transfers: [DMATransfer] = []
        /// The pieces of its transfers that are submitted.
        private(set) var pieces: [(DMATransfer, DMAPiece)] = []
        private(set) var results: [DMAResult] = []

        init(_ guest: Guest) throws {
            let wakes = Locked(0)
            self.wakes = wakes
            mapper = try DMAMapper(guest.space) { wakes.withLock { $0 += 1 } }
        }

        /// Begins to read so many bytes of registers.
        func begin(_ count: UInt64) {
            let (transfer, step) = mapper.begin(
                ScatterGatherList([(Guest.registersBase, count)]), .toDevice)
            transfers.append(transfer)
            take(transfer, step)
        }

        /// Answers the piece that was submitted first.
        func answer() {
            guard !pieces.isEmpty else { return XCTFail("nothing is submitted") }
            let (transfer, piece) = pieces.removeFirst()
            take(transfer, transfer.pieceEnded(transferred: piece.length, isSuccess: true))
        }

        /// How many of its transfers went on.
        func resume() -> Int {
            var count = 0
            mapper.resume { transfer, step in
                count += 1
                take(transfer, step)
            }
            return count
        }

        func take(_ transfer: DMATransfer, _ step: DMAStep) {
            switch step {
            case .submit(let piece): pieces.append((transfer, piece))
            case .wait: XCTAssertTrue(transfer.isWaiting)
            case .done(let result): results.append(result)
            }
        }
    }

    private var guest: Guest!
    private var pool: BouncePool { guest.space.bouncePool }

    override func setUpWithError() throws { guest = try Guest(bounceLimit: 16_384) }

    private func clients(_ count: Int) throws -> [Client] {
        try (0..<count).map { _ in try Client(guest) }
    }

    private func assertAllIsBack(line: UInt = #line) {
        XCTAssertEqual(pool.available, 16_384, line: line)
        XCTAssertEqual(pool.waiting, 0, line: line)
    }

    func testNobodyOvertakesWhoWaits() throws {
        let clients = try clients(5)
        clients[0].begin(8192)
        clients[1].begin(4096)
        XCTAssertEqual(pool.available, 4096)
        clients[2].begin(8192)
        // There would be enough for this one.
        clients[3].begin(4096)
        XCTAssertEqual(pool.waiting, 2)
        XCTAssertEqual(pool.available, 4096)
        XCTAssertThrowsError(
            try clients[4].mapper.map(address: Guest.registersBase, length: 1, .toDevice).unmap()
        ) { XCTAssertEqual(($0 as? GuestMemoryError)?.code, .bounceUnavailable) }
        XCTAssertEqual(clients.map { $0.resume() }, [0, 0, 0, 0, 0])

        clients[1].answer()
        XCTAssertEqual(clients.map(\.wakes.current), [0, 0, 1, 0, 0])
        XCTAssertEqual(pool.available, 0)
        XCTAssertEqual(clients.map { $0.resume() }, [0, 0, 1, 0, 0])
        clients[0].answer()
        XCTAssertEqual(clients.map(\.wakes.current), [0, 0, 1, 1, 0])
        XCTAssertEqual(clients.map { $0.resume() }, [0, 0, 0, 1, 0])
        clients[2].answer()
        clients[3].answer()
        XCTAssertEqual(clients.map(\.results.count), [1, 1, 1, 1, 0])
        assertAllIsBack()
    }

    func testTheyAreServedInTheOrderOfTheirComing() throws {
        let clients = try clients(7)
        for client in clients { client.begin(16_384) }
        for (index, client) in clients.enumerated() {
            XCTAssertEqual(
                clients.map(\.wakes.current),
                clients.indices.map { $0 > 0 && $0 <= index ? 1 : 0 })
            XCTAssertEqual(client.resume(), index == 0 ? 0 : 1)
            client.answer()
            XCTAssertEqual(client.results, [DMAResult(.success, 16_384)])
        }
        assertAllIsBack()
    }

    func testSeveralOfOneDeviceAreServedInOrderToo() throws {
        let client = try clients(1)[0]
        for length in [16_384, 16_384, 4096, 4096, 8192] as [UInt64] { client.begin(length) }
        XCTAssertEqual(client.transfers.map(\.isWaiting), [false, true, true, true, true])
        client.answer()
        XCTAssertEqual(client.resume(), 1)
        XCTAssertEqual(client.transfers.map(\.isWaiting), [false, false, true, true, true])
        client.answer()
        XCTAssertEqual(client.resume(), 3)
        XCTAssertEqual(client.pieces.map(\.1.length), [4096, 4096, 8192])
        for _ in 0..<3 { client.answer() }
        XCTAssertEqual(client.results.map(\.transferred), [16_384, 16_384, 4096, 4096, 8192])
        assertAllIsBack()
    }

    /// Between two pieces others have their turn.
    func testALargeTransferQueuesAgainForEachPiece() throws {
        let clients = try clients(2)
        clients[0].begin(40_960)
        clients[1].begin(20_480)
        func isWaiting() -> [Bool] { clients.map { $0.transfers[0].isWaiting } }
        XCTAssertEqual(isWaiting(), [false, true])
        clients[0].answer()
        XCTAssertEqual(clients.map { $0.resume() }, [0, 1])
        XCTAssertEqual(isWaiting(), [true, false])
        clients[1].answer()
        XCTAssertEqual(clients.map { $0.resume() }, [1, 0])
        XCTAssertEqual(isWaiting(), [false, true])
        clients[0].answer()
        XCTAssertEqual(clients.map { $0.resume() }, [0, 1])
        // What is left of both fits at the same time.
        XCTAssertEqual(isWaiting(), [false, false])
        for client in clients { client.answer() }
        XCTAssertEqual(clients[0].results, [DMAResult(.success, 40_960)])
        XCTAssertEqual(clients[1].results, [DMAResult(.success, 20_480)])
        assertAllIsBack()
    }

    // MARK: Cancelling

    func testCancelledWhileWaiting() throws {
        let clients = try clients(4)
        clients[0].begin(12_288)
        clients[1].begin(16_384)
        clients[2].begin(16_384)
        clients[3].begin(4096)
        // The middle one leaves: nothing changes for the others.
        guard case .done(let middle) = clients[2].transfers[0].cancel() else {
            return XCTFail("a waiting transfer is not over")
        }
        XCTAssertEqual(middle, DMAResult(.cancelled, 0))
        XCTAssertEqual(pool.waiting, 2)
        XCTAssertEqual(clients.map(\.wakes.current), [0, 0, 0, 0])
        // The first leaves: what it kept the last from is there.
        guard case .done(let first) = clients[1].transfers[0].cancel() else {
            return XCTFail("a waiting transfer is not over")
        }
        XCTAssertEqual(first, DMAResult(.cancelled, 0))
        XCTAssertEqual(clients.map(\.wakes.current), [0, 0, 0, 1])
        XCTAssertEqual(clients.map { $0.resume() }, [0, 0, 0, 1])
        clients[3].answer()
        clients[0].answer()
        XCTAssertEqual(clients.map(\.mapper.statistics.active), [0, 0, 0, 0])
        assertAllIsBack()
    }

    func testCancelledWhenItsTurnHasComeButItDoesNotKnow() throws {
        let clients = try clients(3)
        clients[0].begin(16_384)
        clients[1].begin(16_384)
        clients[2].begin(16_384)
        clients[0].answer()
        XCTAssertEqual(clients.map(\.wakes.current), [0, 1, 0])
        guard case .done(let result) = clients[1].transfers[0].cancel() else {
            return XCTFail("a waiting transfer is not over")
        }
        XCTAssertEqual(result, DMAResult(.cancelled, 0))
        XCTAssertEqual(clients[1].resume(), 0)
        XCTAssertEqual(clients.map(\.wakes.current), [0, 1, 1])
        XCTAssertEqual(clients[2].resume(), 1)
        clients[2].answer()
        assertAllIsBack()
    }

    func testCancelledBehindSomePieces() throws {
        let clients = try clients(2)
        clients[0].begin(40_960)
        clients[1].begin(16_384)
        clients[0].answer()
        XCTAssertTrue(clients[0].transfers[0].isWaiting)
        guard case .done(let result) = clients[0].transfers[0].cancel() else {
            return XCTFail("a waiting transfer is not over")
        }
        XCTAssertEqual(result, DMAResult(.cancelled, 16_384))
        XCTAssertEqual(clients[1].resume(), 1)
        clients[1].answer()
        assertAllIsBack()
    }

    /// Those that go on may begin, answer and cancel others meanwhile.
    func testWhatIsDoneWhileOthersGoOn() throws {
        let client = try clients(1)[0]
        for _ in 0..<4 { client.begin(16_384) }
        client.answer()
        var resumed: [DMATransfer] = []
        client.mapper.resume { transfer, step in
            resumed.append(transfer)
            guard case .submit(let piece) = step else { return XCTFail("\(step)") }
            // The next in line is gone before its turn in the same call.
            if resumed.count == 1 { XCTAssertNotNil(client.transfers[2].cancel()) }
            let end = transfer.pieceEnded(transferred: piece.length, isSuccess: true)
            if case .done = end {} else { XCTFail("\(end)") }
            client.begin(4096)
        }
        XCTAssertEqual(resumed.count, 2)
        XCTAssertTrue(resumed.first === client.transfers[1])
        XCTAssertTrue(resumed.last === client.transfers[3])
        XCTAssertEqual(client.pieces.count + client.resume(), 2)
        while !client.pieces.isEmpty {
            client.answer()
            _ = client.resume()
        }
        XCTAssertEqual(client.mapper.statistics.active, 0)
        assertAllIsBack()
    }

    // MARK: Threads

    /// Each thread sleeps until it is woken: a wake-up that is lost would be for ever.
    func testThreadsThatWakeEachOther() throws {
        let seed = Seed.value
        let pool = pool
        let guest = guest!
        let failures = Locked<[String]>([])
        Watchdog.guarding(name) {
            DispatchQueue.concurrentPerform(iterations: 4) { number in
                let bell = DispatchSemaphore(value: 0)
                let mapper = try? DMAMapper(
                    guest.space, options: DMAOptions(forceBounce: true)
                ) { bell.signal() }
                guard let mapper else { return failures.withLock { $0.append("no mapper") } }
                var random = SplitMix64(seed: seed &+ UInt64(number))
                // Its own part of the RAM.
                let base = number * (256 << 10)
                for round in 0..<250 {
                    let length = random.number(1...[600, 4096, 16_384, 60_000][round % 4])
                    let direction: DMADirection = round % 3 == 0 ? .toDevice : .fromDevice
                    let list = ScatterGatherList([(GuestAddress(base + round), UInt64(length))])
                    var device = MemoryDevice(
                        [UInt8](repeating: UInt8(truncatingIfNeeded: round), count: length))
                    let isCancelled = random.number(0...9) == 0
                    var (transfer, step) = mapper.begin(list, direction)
                    steps: while true {
                        switch step {
                        case .submit(let piece):
                            step = device.carryOut(piece, of: transfer)
                        case .wait:
                            if isCancelled, let end = transfer.cancel() {
                                step = end
                                continue
                            }
                            var isResumed = false
                            while !isResumed {
                                bell.wait()
                                mapper.resume { _, next in
                                    step = next
                                    isResumed = true
                                }
                            }
                        case .done(let result):
                            let isRight =
                                isCancelled && result.outcome == .cancelled
                                || areSame(
                                    guest.ram.bytes(base + round..<base + round + length),
                                    device.medium)
                                    && result == DMAResult(.success, UInt64(length))
                            if !isRight { failures.withLock { $0.append("\(number), \(round)") } }
                            break steps
                        }
                    }
                }
                if mapper.statistics.active != 0 { failures.withLock { $0.append("active") } }
            }
        }
        XCTAssertEqual(failures.current, [], "BLOCKIO_SEED=\(Seed.text)")
        XCTAssertEqual(pool.available, pool.size)
        XCTAssertEqual(pool.waiting, 0)
    }
}
