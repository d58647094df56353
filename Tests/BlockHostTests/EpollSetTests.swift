import BlockHost
import Glibc
import XCTest
@testable import TestSupport

final class EpollSetTests: XCTestCase {
    private func ready(_ loop: borrowing EventLoop, _ milliseconds: CInt = 0) throws -> Set<CInt> {
        var found: Set<CInt> = []
        try loop.wait(milliseconds) { found.insert($0) }
        return found
    }

    func testASetIsReadableWhenAMemberIs() throws {
        let (first, second) = (try Event(), try Event())
        let set = try EpollSet()
        let loop = try EventLoop()
        defer {
            first.close()
            second.close()
            set.close()
        }
        try set.add(first.descriptor)
        try set.add(second.descriptor)
        try loop.add(set.descriptor)
        XCTAssertEqual(try ready(loop), [])
        second.signal()
        XCTAssertEqual(try ready(loop, -1), [set.descriptor])
        set.remove(second.descriptor)
        XCTAssertEqual(try ready(loop), [])
        // It is no member any more, which is nobody's fault.
        set.remove(second.descriptor)
        first.signal()
        XCTAssertEqual(try ready(loop, -1), [set.descriptor])
    }

    func testWhatAMemberIsWatchedFor() throws {
        let (reading, writing) = try Descriptor.pipe()
        let loop = try EventLoop()
        try loop.add(reading.raw)
        try loop.add(writing.raw, for: EpollSet.Interest(readable: false, writable: true))
        XCTAssertEqual(try ready(loop, -1), [writing.raw])
        try loop.change(writing.raw, to: EpollSet.Interest(readable: false, writable: false))
        XCTAssertEqual(try ready(loop), [])
        // One that is broken is told of, whatever it is watched for.
        try loop.change(reading.raw, to: EpollSet.Interest(readable: false, writable: false))
        writing.close()
        XCTAssertEqual(try ready(loop, -1), [reading.raw])
    }

    func testManyThatAreReady() throws {
        let events = try (0..<40).map { _ in try Event() }
        defer { for event in events { event.close() } }
        let loop = try EventLoop()
        for event in events {
            try loop.add(event.descriptor)
            event.signal()
        }
        var seen: Set<CInt> = []
        for _ in 0..<10 { seen.formUnion(try ready(loop)) }
        XCTAssertEqual(seen, Set(events.map(\.descriptor)))
    }

    func testWhatCannotBeWatched() throws {
        let event = try Event()
        let set = try EpollSet()
        defer { set.close() }
        try set.add(event.descriptor)
        XCTAssertThrowsError(try set.add(event.descriptor)) {
            XCTAssertEqual($0 as? SystemCallError, SystemCallError("epoll_ctl(2)", EEXIST))
        }
        XCTAssertThrowsError(try set.add(-1)) {
            XCTAssertEqual($0 as? SystemCallError, SystemCallError("epoll_ctl(2)", EBADF))
        }
        event.close()
        XCTAssertThrowsError(try set.change(event.descriptor, to: EpollSet.Interest()))
    }
}
