import Dispatch
import GuestMemory
import XCTest

@testable import TestSupport

/// Which pages have been written, and who wants to know.
final class DirtyLogTests: RandomTestCase {
    /// Not a multiple of 64, so that the last word of a bitmap has pages that are not there.
    private func log(pages: Int = 200) throws -> (GuestRAM, DirtyLog) {
        let ram = try GuestRAM(size: pages * 4096)
        return (ram, ram.dirtyLog)
    }

    func testNothingIsLoggedForWhomDidNotAsk() throws {
        let (_, log) = try log()
        log.mark(offset: 0, length: 4096)
        log.start(.display)
        XCTAssertEqual(log.takePages(.display), [])
        log.mark(offset: 4096, length: 1)
        XCTAssertEqual(log.takePages(.migration), [])
        XCTAssertEqual(log.takePages(.display), [1])
    }

    func testEachConsumerHasItsOwnPages() throws {
        let (_, log) = try log()
        log.start(.migration)
        log.mark(offset: 0, length: 1)
        log.start(.display)
        log.mark(offset: 3 * 4096, length: 1)
        XCTAssertEqual(log.takePages(.migration), [0, 3])
        XCTAssertEqual(log.runs(.display), [3..<4])
        XCTAssertEqual(log.takePages(.display), [3])
        log.mark(offset: 0, length: 1)
        log.stop(.migration)
        log.mark(offset: 4096, length: 1)
        XCTAssertEqual(log.takePages(.migration), [])
        XCTAssertEqual(log.takePages(.display), [0, 1])
        log.start(.migration)
        log.start(.migration)
        XCTAssertEqual(log.takePages(.migration), [], "what a stopped log had is forgotten")
        log.mark(offset: 4096, length: 1)
        XCTAssertEqual(log.takePages(.migration), [1])
    }

    func testPagesOfAWriteAreThoseItTouches() throws {
        let (_, log) = try log()
        log.start(.migration)
        for (offset, length, pages) in [
            (0, 1, [0]), (0, 4096, [0]), (0, 4097, [0, 1]), (4095, 1, [0]), (4095, 2, [0, 1]),
            (4096, 4096, [1]), (63 * 4096, 8192, [63, 64]), (63 * 4096 + 4095, 2, [63, 64]),
            (64 * 4096, 4096, [64]), (63 * 4096, 4096, [63]), (127 * 4096 - 1, 2, [126, 127]),
            (0, 200 * 4096, Array(0..<200)), (60 * 4096, 80 * 4096, Array(60..<140)),
            (64 * 4096, 64 * 4096, Array(64..<128)), (199 * 4096, 4096, [199]),
            (200 * 4096 - 1, 1, [199]), (5 * 4096, 0, []),
        ] {
            log.mark(offset: offset, length: length)
            XCTAssertEqual(log.takePages(), pages, "\(length) bytes at \(offset)")
        }
    }

    /// A caller's mistake, by which no page of others may be marked, and nothing may stop.
    func testPlacesOutsideAreNotMarked() throws {
        let (_, log) = try log()
        log.start(.migration)
        log.onCodeWritten { _ in XCTFail("no page was written") }
        log.protectCode(0..<200)
        for (offset, length) in [
            (200 * 4096, 1), (201 * 4096, 1), (300 * 4096, 4096), (.max, 1), (.max - 1, .max),
            (-1, 4), (-4096, 8192), (0, -1), (0, .min), (4096, 0), (1 << 62, .max),
        ] {
            log.mark(offset: offset, length: length)
            XCTAssertEqual(log.takePages(), [], "\(length) bytes at \(offset)")
        }
        let (_, other) = try self.log()
        other.start(.migration)
        other.mark(offset: 198 * 4096, length: .max)
        XCTAssertEqual(other.takePages(), [198, 199])
    }

    func testRunsAreWholeAndInOrder() throws {
        let (_, log) = try log()
        log.start(.migration)
        for (first, count) in [(190, 10), (62, 5), (0, 1), (2, 2), (127, 1), (128, 1)] {
            log.mark(offset: first * 4096, length: count * 4096)
        }
        XCTAssertEqual(log.runs(), [0..<1, 2..<4, 62..<67, 127..<129, 190..<200])
        XCTAssertEqual(log.runs(in: 3..<65), [3..<4, 62..<65])
        XCTAssertEqual(log.runs(in: 64..<64), [])
        XCTAssertEqual(log.runs(in: 195..<900), [195..<200])
        XCTAssertEqual(log.runs(in: 300..<400), [])
        XCTAssertEqual(log.takePages(in: 63..<128), [63, 64, 65, 66, 127])
        XCTAssertEqual(log.runs(), [0..<1, 2..<4, 62..<63, 128..<129, 190..<200])
        XCTAssertEqual(log.takePages(), [0, 2, 3, 62, 128] + Array(190..<200))
        XCTAssertEqual(log.takePages(), [])
    }

    func testRandomWritesAndLooks() throws {
        try forEachCase(40) { random in
            let pages = random.number(1...300)
            let (_, log) = try log(pages: pages)
            var model: [DirtyConsumer: Set<Int>] = [:]
            for consumer in DirtyConsumer.allCases where random.number(0...3) > 0 {
                log.start(consumer)
                model[consumer] = []
            }
            for _ in 0..<60 {
                let offset = random.number(0...pages * 4096 - 1)
                let length = random.number(
                    1...Swift.min(
                        pages * 4096 - offset, [1, 4096, 80 * 4096].randomElement(using: &random)!))
                log.mark(offset: offset, length: length)
                for consumer in model.keys {
                    model[consumer]?.formUnion(offset / 4096...(offset + length - 1) / 4096)
                }
                let looked = random.number(0...pages)
                let range = looked..<random.number(looked...pages + 3)
                for consumer in DirtyConsumer.allCases {
                    let expected = model[consumer, default: []].filter(range.contains).sorted()
                    if random.number(0...4) == 0 {
                        XCTAssertEqual(log.takePages(consumer, in: range), expected)
                        model[consumer]?.subtract(range)
                    } else {
                        let runs = log.runs(consumer, in: range)
                        XCTAssertEqual(runs.flatMap { $0 }, expected)
                        for (run, next) in zip(runs, runs.dropFirst()) {
                            XCTAssertLessThan(run.upperBound, next.lowerBound, "one run")
                        }
                    }
                }
            }
        }
    }

    /// A page that is marked while somebody takes is in this look or in the next.
    func testNoMarkIsLostToALookAtTheSameTime() throws {
        let (_, log) = try log()
        log.start(.migration)
        let rounds = 300
        let seen = Locked([Int](repeating: 0, count: 200))
        let isOver = Locked(false)
        let group = DispatchGroup()
        DispatchQueue.global().async(group: group) {
            var isLast = false
            while !isLast {
                isLast = isOver.current
                let pages = log.takePages()
                seen.withLock { for page in pages { $0[page] += 1 } }
            }
        }
        DispatchQueue.concurrentPerform(iterations: 2) { thread in
            for _ in 0..<rounds {
                for page in stride(from: thread, to: 200, by: 2) {
                    let before = seen.withLock { $0[page] }
                    log.mark(offset: page * 4096, length: 1)
                    // Nobody else marks this page, so it is seen, or still to be taken.
                    var isKnown = false
                    while !isKnown {
                        isKnown =
                            seen.withLock { $0[page] } > before
                            || log.runs(in: page..<page + 1) == [page..<page + 1]
                    }
                }
            }
        }
        isOver.current = true
        group.wait()
        XCTAssertEqual(log.runs(), [])
        XCTAssertTrue(seen.withLock { $0.allSatisfy { $0 > 0 } })
    }
}
