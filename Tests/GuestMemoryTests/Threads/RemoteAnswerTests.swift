import Dispatch
import GuestMemory
import XCTest
@testable import TestSupport

/// Memory of another process whose answers come from several threads at once.
final class RemoteAnswerTests: XCTestCase {
    private static let size = 16384
    private static let transfers = 4
    private static let rounds = 200

    private let woken = DispatchSemaphore(value: 0)
    private var peer: ThreadedPeer!
    private var mapper: DMAMapper!

    override func setUpWithError() throws {
        peer = ThreadedPeer(size: Self.size)
        let space = try AddressSpace()
        try space.map(.remote(peer, size: UInt64(Self.size)), at: 0)
        mapper = try DMAMapper(space, wake: { [woken] in woken.signal() })
    }

    override func tearDown() {
        peer.stop()
        peer = nil
        mapper = nil
    }

    /// Transfers of a page each, and how each ended: all of them do, once.
    private func carryOut(
        _ direction: DMADirection, onPiece: (Int, DMAPiece) -> Void
    ) throws -> [DMAResult.Outcome] {
        var outcomes: [DMAResult.Outcome?] = Array(repeating: nil, count: Self.transfers)
        var ends = 0
        func follow(_ transfer: DMATransfer, _ first: DMAStep) {
            let number = Int(transfer.userData)
            var step = first
            while case .submit(let piece) = step {
                onPiece(number, piece)
                step = transfer.pieceEnded(transferred: piece.length, isSuccess: true)
            }
            guard case .done(let result) = step else { return }
            XCTAssertNil(outcomes[number], "transfer \(number) ends twice")
            outcomes[number] = result.outcome
            ends += 1
        }
        for number in 0..<Self.transfers {
            var list = ScatterGatherList(capacity: 1)
            list.append(address: GuestAddress(UInt64(number * 4096)), length: 4096)
            let (transfer, step) = mapper.begin(list, direction, userData: UInt(number))
            follow(transfer, step)
        }
        while ends < Self.transfers {
            guard woken.wait(timeout: .now() + .seconds(60)) == .success else {
                XCTFail("\(Self.transfers - ends) transfers do not end")
                break
            }
            mapper.resume(follow)
        }
        return try outcomes.map { try XCTUnwrap($0) }
    }

    func testReads() throws {
        for round in 0..<Self.rounds {
            let value = UInt8(truncatingIfNeeded: round)
            peer.fill(value)
            let outcomes = try carryOut(.toDevice) { number, piece in
                for vector in piece.vectors {
                    let bytes = UnsafeRawBufferPointer(
                        start: vector.iov_base, count: vector.iov_len)
                    XCTAssertTrue(bytes.allSatisfy { $0 == value }, "transfer \(number)")
                }
            }
            XCTAssertEqual(outcomes, Array(repeating: .success, count: Self.transfers))
        }
        XCTAssertEqual(mapper.statistics.active, 0)
    }

    func testWrites() throws {
        for round in 0..<Self.rounds {
            let value = UInt8(truncatingIfNeeded: round)
            let outcomes = try carryOut(.fromDevice) { number, piece in
                for vector in piece.vectors {
                    memset(vector.iov_base, Int32(value ^ UInt8(number)), vector.iov_len)
                }
            }
            XCTAssertEqual(outcomes, Array(repeating: .success, count: Self.transfers))
            for number in 0..<Self.transfers {
                XCTAssertTrue(
                    peer.content(number * 4096, 4096).allSatisfy { $0 == value ^ UInt8(number) },
                    "transfer \(number)")
            }
        }
    }

    /// One refused request among many makes its transfer fail, and no other.
    func testOneFailureOfMany() throws {
        for round in 0..<Self.rounds {
            peer.refuse(round * 52 % 4096 + 4096)
            let outcomes = try carryOut(round % 2 == 0 ? .toDevice : .fromDevice) { _, _ in }
            for (number, outcome) in outcomes.enumerated() {
                guard number == 1 else {
                    XCTAssertEqual(outcome, .success)
                    continue
                }
                guard case .fault(let error) = outcome else {
                    XCTFail("\(outcome)")
                    continue
                }
                XCTAssertEqual(error.code, .remoteFailed)
            }
        }
        XCTAssertEqual(mapper.statistics.active, 0)
    }
}

/// Memory that four threads serve, 64 bytes at a time.
private final class ThreadedPeer: RemoteMemory {
    private struct State {
        var work: [Work] = []
        var isStopped = false
        var refused = -1
    }

    /// The buffers are there until the answer, and `bytes` as long as the threads.
    private struct Work: @unchecked Sendable {
        let offset: Int
        let source: UnsafeRawPointer
        let target: UnsafeMutableRawPointer
        let count: Int
        let answer: RemoteAnswer
    }

    private final class Bytes: @unchecked Sendable {
        let start: UnsafeMutableRawPointer
        let size: Int

        init(_ size: Int) {
            self.size = size
            start = .allocate(byteCount: size, alignment: 64)
            memset(start, 0, size)
        }

        deinit { start.deallocate() }
    }

    private final class Shared: Sendable { let state = Locked(State()) }

    private let bytes: Bytes
    private let shared = Shared()
    private let workers: [Worker]

    init(size: Int) {
        bytes = Bytes(size)
        let shared = shared
        workers = (0..<4).map { _ in
            Worker { while let isIdle = Self.serve(shared) { if isIdle { sched_yield() } } }
        }
    }

    func stop() {
        shared.state.withLock { $0.isStopped = true }
        for worker in workers { worker.join() }
    }

    /// Whether there was nothing to do; `nil` after ``stop()``.
    private static func serve(_ shared: Shared) -> Bool? {
        let (work, isStopped, refused) = shared.state.withLock {
            ($0.work.popLast(), $0.isStopped, $0.refused)
        }
        guard let work else { return isStopped ? nil : true }
        let isRefused = (work.offset..<work.offset + work.count).contains(refused)
        if !isRefused { memcpy(work.target, work.source, work.count) }
        work.answer.requestCompleted(isSuccess: !isRefused)
        return false
    }

    /// While no transfer is under way.
    func fill(_ value: UInt8) { memset(bytes.start, Int32(value), bytes.size) }

    func content(_ offset: Int, _ count: Int) -> [UInt8] {
        Array(UnsafeRawBufferPointer(start: bytes.start + offset, count: count))
    }

    /// Requests that have the byte at `offset` fail from now on.
    func refuse(_ offset: Int) { shared.state.withLock { $0.refused = offset } }

    var maximumTransfer: Int { 64 }

    func read(
        offset: UInt64, into buffer: UnsafeMutableRawBufferPointer, _ answer: RemoteAnswer
    ) {
        guard let target = buffer.baseAddress else {
            return answer.requestCompleted(isSuccess: false)
        }
        let work = Work(
            offset: Int(offset), source: bytes.start + Int(offset), target: target,
            count: buffer.count, answer: answer)
        shared.state.withLock { $0.work.append(work) }
    }

    func write(offset: UInt64, from buffer: UnsafeRawBufferPointer, _ answer: RemoteAnswer) {
        guard let source = buffer.baseAddress else {
            return answer.requestCompleted(isSuccess: false)
        }
        let work = Work(
            offset: Int(offset), source: source, target: bytes.start + Int(offset),
            count: buffer.count, answer: answer)
        shared.state.withLock { $0.work.append(work) }
    }
}
