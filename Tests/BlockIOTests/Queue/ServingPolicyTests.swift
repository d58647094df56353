import BlockHost
import XCTest
@testable import BlockIO

/// The decisions of docs/block-layer.md, "The engine `threads`", row by row.
final class ServingPolicyTests: XCTestCase {
    private typealias Situation = ServingPolicy.Situation
    private typealias Wait = ServingPolicy.Wait

    private let policy = ServingPolicy(processors: 2, inlineLimit: 1 << 16)

    func testHowManyRequestsAWaitingOwnerServes() {
        let oneOfTwo = Wait(missing: 1, unanswered: 2)
        let both = Wait(missing: 2, unanswered: 2)
        let short = Wait(limit: .nanoseconds(1_999_999))
        let long = Wait(limit: .nanoseconds(2_000_000))
        let isOver = Wait(limit: .nanoseconds(0))
        let interruptible = Wait(isInterruptible: true)
        let rows: [(Situation, Wait, Int)] = [
            // Copies: in any wait, 64 KiB at a time, and the half of it beside a thread.
            (Situation(pace: .copy, queued: 32, firstTransfer: 512), oneOfTwo, 8),
            (Situation(pace: .copy, queued: 32, firstTransfer: 16384), oneOfTwo, 4),
            (Situation(pace: .copy, queued: 32, firstTransfer: 1 << 20), oneOfTwo, 1),
            (Situation(pace: .copy, queued: 32, firstTransfer: 4096, atWork: 1), oneOfTwo, 8),
            (Situation(pace: .copy, queued: 8, firstTransfer: 4096, atWork: 1), oneOfTwo, 4),
            (Situation(pace: .copy, queued: 1, firstTransfer: 4096, atWork: 1), oneOfTwo, 1),
            (Situation(pace: .copy, queued: 8, firstTransfer: 4096), interruptible, 8),
            (Situation(pace: .copy, queued: 8, firstTransfer: 4096), short, 8),
            // Quick requests of another image: in a wait that cannot end without them.
            (Situation(pace: .quick, queued: 2, firstTransfer: 4096), oneOfTwo, 0),
            (Situation(pace: .quick, queued: 2, firstTransfer: 4096), both, 1),
            (Situation(pace: .quick, firstTransfer: 4096), interruptible, 1),
            (Situation(pace: .quick, firstTransfer: 4096), short, 1),
            // Prompt ones: only if nothing else can end the wait sooner.
            (Situation(pace: .prompt, queued: 2, firstTransfer: 4096), oneOfTwo, 0),
            (Situation(pace: .prompt, queued: 2, firstTransfer: 4096), both, 1),
            (Situation(pace: .prompt, firstTransfer: 4096), short, 0),
            (Situation(pace: .prompt, firstTransfer: 4096), long, 1),
            (Situation(pace: .prompt, firstTransfer: 4096), interruptible, 0),
            (Situation(pace: .slow, queued: 2, firstTransfer: 4096), both, 0),
        ]
        for (situation, wait, share) in rows {
            XCTAssertEqual(policy.ownerShare(situation, wait), share, "\(situation), \(wait)")
        }
        for pace in RequestPace.Kind.allCases {
            let transfer = Situation(pace: pace, firstTransfer: 4096)
            XCTAssertEqual(policy.ownerShare(transfer, isOver), 0, "the limit has passed")
            XCTAssertEqual(policy.ownerShare(Situation(pace: pace), Wait()), 0, "a flush")
        }
    }

    func testWhenAnOwnerServesMoreBeforeItDelivers() {
        XCTAssertTrue(policy.ownerContinues(after: 8, atWork: 0))
        XCTAssertFalse(policy.ownerContinues(after: 16, atWork: 0))
        XCTAssertFalse(policy.ownerContinues(after: 1, atWork: 1))
    }

    func testWhatAnOwnerServesWhileItSubmits() {
        for pace in RequestPace.Kind.allCases {
            let isCopy = pace == .copy
            XCTAssertEqual(policy.ownerServesAtSubmission(pace, firstTransfer: 1 << 16), isCopy)
            XCTAssertFalse(policy.ownerServesAtSubmission(pace, firstTransfer: (1 << 16) + 1))
            XCTAssertFalse(policy.ownerServesAtSubmission(pace, firstTransfer: nil))
            XCTAssertFalse(
                ServingPolicy(processors: 2).ownerServesAtSubmission(pace, firstTransfer: 1))
        }
    }

    func testHowManyThreadsAreCalled() {
        let owners = ServingPolicy.Owner.allCases
        // For each situation: beside an owner that is elsewhere, serves, delivers.
        let rows: [(Situation, [Int])] = [
            // A thread for each request, less those on their way.
            (Situation(pace: .slow, queued: 8), [8, 7, 8]),
            (Situation(pace: .prompt, queued: 8, atWork: 3, coming: 2), [6, 5, 6]),
            (Situation(pace: .slow, queued: 8, promptLimit: 4), [8, 7, 8]),
            // As many as are as fast as more.
            (Situation(pace: .prompt, queued: 8, promptLimit: 4), [4, 4, 4]),
            (Situation(pace: .prompt, queued: 8, atWork: 3, coming: 1, promptLimit: 4), [1, 1, 1]),
            (Situation(pace: .prompt, queued: 8, atWork: 5, promptLimit: 4), [0, 0, 0]),
            (Situation(pace: .prompt, queued: 2, promptLimit: 4), [2, 1, 2]),
            // As many as there are processors, and beside an owner that serves only for work that lasts.
            (Situation(pace: .quick, queued: 8), [2, 0, 2]),
            (Situation(pace: .copy, queued: 8, firstTransfer: 4096), [2, 0, 2]),
            (Situation(pace: .copy, queued: 9, firstTransfer: 4096), [2, 1, 2]),
            (Situation(pace: .copy, queued: 2, firstTransfer: 1 << 17), [2, 1, 2]),
            (Situation(pace: .copy, queued: 1, firstTransfer: 1 << 17), [1, 0, 1]),
            // None beside a thread that goes on while the owner delivers.
            (Situation(pace: .copy, queued: 32, firstTransfer: 4096, atWork: 1), [1, 0, 0]),
            (Situation(pace: .copy, queued: 32, firstTransfer: 4096, atWork: 2), [0, 0, 0]),
            (
                Situation(pace: .copy, queued: 1, firstTransfer: 4096, atWork: 1, coming: 1),
                [0, 0, 0]
            ),
        ]
        for (situation, counts) in rows {
            XCTAssertEqual(
                owners.map { policy.threadsToCall(situation, $0).count }, counts, "\(situation)")
        }
        let alone = ServingPolicy(processors: 1)
        let many = Situation(pace: .copy, queued: 32, firstTransfer: 1 << 17)
        XCTAssertEqual(owners.map { alone.threadsToCall(many, $0).count }, [1, 0, 1])
    }

    /// Then a watcher looks whether the threads get on.
    func testWhetherRequestsAreLeftToThreadsThatServeOthers() {
        let owners = ServingPolicy.Owner.allCases
        let rows: [(Situation, [Bool])] = [
            (Situation(pace: .slow, queued: 8), [false, false, false]),
            (Situation(pace: .prompt, queued: 8), [false, false, false]),
            (Situation(pace: .prompt, queued: 8, promptLimit: 4), [true, true, true]),
            (Situation(pace: .prompt, queued: 4, promptLimit: 4), [false, false, false]),
            (Situation(pace: .prompt, queued: 1, atWork: 4, promptLimit: 4), [true, false, true]),
            (Situation(pace: .copy, queued: 3, firstTransfer: 4096), [true, false, true]),
            (Situation(pace: .copy, queued: 2, firstTransfer: 4096), [false, false, false]),
            (
                Situation(pace: .copy, queued: 1, firstTransfer: 4096, atWork: 1),
                [false, false, true]
            ),
            (
                Situation(pace: .copy, queued: 1, firstTransfer: 4096, atWork: 1, coming: 1),
                [false, false, false]
            ),
        ]
        for (situation, areShared) in rows {
            XCTAssertEqual(
                owners.map { policy.threadsToCall(situation, $0).areShared }, areShared,
                "\(situation)")
        }
    }

    func testWhenAThreadIsSpare() {
        for pace in RequestPace.Kind.allCases {
            XCTAssertFalse(policy.isThreadSpare(pace, atWork: 4, promptLimit: 4))
            XCTAssertEqual(policy.isThreadSpare(pace, atWork: 5, promptLimit: 4), pace == .prompt)
        }
    }

    func testForHowManyAnswersAnOwnerSleepsAtFirst() {
        let rows: [(Situation, Int, Int)] = [
            (Situation(pace: .prompt, queued: 28, promptLimit: 4), 1, 14),
            (Situation(pace: .prompt, queued: 28, promptLimit: 4), 20, 20),
            (Situation(pace: .prompt, queued: 3, promptLimit: 4), 1, 1),
            // Threads on their way take a request each.
            (Situation(pace: .prompt, queued: 28, atWork: 28, coming: 28), 1, 1),
            (Situation(pace: .quick, queued: 28, atWork: 2), 1, 14),
            (Situation(pace: .copy, queued: 28, atWork: 2), 1, 1),
            (Situation(pace: .slow, queued: 28, atWork: 64), 1, 1),
        ]
        for (situation, wanted, count) in rows {
            XCTAssertEqual(
                policy.answersWorthAWake(situation, wanted: wanted), count, "\(situation)")
        }
    }

    func testWhenAThreadTellsOfSeveralAnswersTogether() {
        let copies = Situation(pace: .copy, queued: 8, firstTransfer: 1 << 17)
        let rows: [(Situation, Int, UInt64, Bool)] = [
            (copies, 1, 15_000, true),
            (copies, 3, 15_000, true),
            (copies, 4, 15_000, false),
            (copies, 1, 50_000, false),
            (copies, 2, .max, false),
            (copies, 7, 1_000, true),
            (copies, 8, 1_000, false),
            (Situation(pace: .copy, queued: 0), 1, 1_000, false),
            (Situation(pace: .quick, queued: 8), 1, 1_000, false),
            (Situation(pace: .prompt, queued: 8), 1, 1_000, false),
            (Situation(pace: .slow, queued: 8), 1, 1_000, false),
        ]
        for (situation, answered, span, isLater) in rows {
            XCTAssertEqual(
                policy.tellsLater(situation, answered: answered, after: span), isLater,
                "\(situation), \(answered) answered, \(span) ns")
        }
    }

    func testWhoLooksForNewsBeforeItSleeps() {
        for pace in RequestPace.Kind.allCases {
            XCTAssertEqual(policy.looksBeforeSleep(pace), pace == .copy)
            XCTAssertFalse(ServingPolicy(processors: 1).looksBeforeSleep(pace))
        }
    }

    func testLooksInVainBecomeRare() {
        var habit = LookHabit()
        var looks: [Int] = []
        for sleep in 0..<200 where habit.shouldLook() {
            looks.append(sleep)
            habit.note(false)
        }
        XCTAssertEqual(looks, [0, 2, 6, 14, 30, 62, 126, 190])
        habit.note(true)
        XCTAssertTrue(habit.shouldLook())
        XCTAssertTrue(habit.shouldLook())
    }
}
