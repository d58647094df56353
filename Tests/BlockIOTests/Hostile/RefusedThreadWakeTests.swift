import BlockIO
import Foundation
import XCTest
@testable import TestSupport

/// A seccomp filter that refuses io_uring_enter(2) to a queue of which a thread of the kernel submits (SQPOLL).
final class RefusedThreadWakeTests: HostileTestCase {
    private static let requests = 4

    /// The thread takes what it can see. The queue's owner, whose wait is refused, takes nothing of it back.
    func testAThreadThatIsAwakeServesAllRequests() throws {
        try check("awake", rounds: 200, expecting: "800 success")
    }

    /// A thread that cannot be woken sees nothing, and each request fails once.
    func testRequestsForAThreadThatSleepsFail() throws {
        try check("asleep", rounds: 3, expecting: "12 system \(EPERM)")
    }

    private func check(_ role: String, rounds: Int, expecting outcome: String) throws {
        for descriptor in ["with descriptor", "without descriptor"] {
            let target = try orSkip(StorageTarget.make(.ext4File, size: 1 << 20))
            defer { target.close() }
            let child = try child(role, [target.pathForChildren, descriptor, "\(rounds)"])
            XCTAssertEqual(try child.lines(), [outcome, "closed"], descriptor)
        }
    }

    override func perform(_ role: String, _ port: ChildPort) throws {
        let isAwake = role == "awake"
        let image = try BlockImage.open(
            port.arguments[0], OpenOptions(access: .readWrite, engine: .forced(.ioURing)))
        let queue = try BlockQueue(
            image,
            QueueOptions(
                hasDescriptor: port.arguments[1] == "with descriptor",
                ring: RingOptions(submissionThreadIdle: isAwake ? 60_000 : 1)))
        let buffer = AlignedBuffer(count: Self.requests * 4096)
        try queue.readAndWait(into: buffer.bytes, at: 0)
        if !isAwake { try eventually("the submission thread sleeps", Self.isThreadAsleep) }
        try Forbidden.ioURingEnter.forbid(EPERM)
        var outcomes: [String: Int] = [:]
        try Rescue.watching(help: {
            port.say("hangs")
            _exit(0)
        }) {
            for round in 0..<Int(port.arguments[2])! {
                run(queue, buffer, UInt8(truncatingIfNeeded: round)) {
                    outcomes[$0, default: 0] += 1
                }
            }
        }
        for (outcome, count) in outcomes.sorted(by: { $0.key < $1.key }) {
            port.say("\(count) \(outcome)")
        }
        queue.close()
        port.say("closed")
    }

    /// Writes two blocks and reads two. The wait inside the batch both shows the entries and is refused.
    private func run(
        _ queue: BlockQueue, _ buffer: AlignedBuffer, _ stamp: UInt8, _ say: (String) -> Void
    ) {
        buffer.fill(stamp)
        func note(_ completion: BlockCompletion) {
            let failure = completion.failure.map { "\($0) \(completion.errno)" }
            let isRead = completion.userData >= 2
            let block = buffer.slice(Int(completion.userData) * 4096, 4096)
            let isRight = !isRead || block.allSatisfy { $0 == stamp &- 1 || stamp == 0 }
            say(failure ?? (isRight ? "success" : "wrong content"))
        }
        queue.batch {
            for index in 0..<Self.requests {
                let block = buffer.slice(index * 4096, 4096)
                // Even and odd rounds write and read places of their own.
                let place = (index + Int(stamp) % 2 * 2) % Self.requests
                let offset = UInt64(place * 4096)
                if index < 2 {
                    queue.write(from: .init(block), at: offset, userData: UInt(index))
                } else {
                    queue.read(into: block, at: offset, userData: UInt(index))
                }
            }
            queue.poll(minimum: 1, note)
        }
        while queue.outstanding > 0 { queue.poll(minimum: 1, note) }
    }

    /// Whether the thread that the kernel has for the ring sleeps.
    private static func isThreadAsleep() -> Bool {
        let tasks = try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")
        return (tasks ?? []).contains { task in
            let status = try? String(
                contentsOfFile: "/proc/self/task/\(task)/stat", encoding: .utf8)
            return status?.contains(/\(iou-sqp-\d+\) S/) ?? false
        }
    }
}
