import GuestMemory
import XCTest

@testable import TestSupport

/// What is written while a log starts, or while code is being protected, is seen by whoever starts
/// the log, or it is marked: nothing is lost.
final class DirtyLogStartTests: HostileTestCase {
    /// Without a memory barrier, of these rounds about one in ten is lost.
    private static let rounds = 5_000

    func testNoPageIsLostWhileALogStarts() throws {
        XCTAssertEqual(try Self.lostPages(), 0)
    }

    func testNoCodeIsLostWhileItIsProtected() throws {
        XCTAssertEqual(try Self.lostCode(), 0)
    }

    /// The protection of other pages is known already.
    func testNoCodeIsLostBesideProtectedCode() throws {
        XCTAssertEqual(try Self.lostCode(besides: 1..<2), 0)
    }

    /// Where a seccomp filter, as of a container, refuses membarrier(2).
    func testNothingIsLostWithoutMembarrier() throws {
        for errno in [EPERM, ENOSYS] {
            XCTAssertEqual(
                try child("without", ["\(errno)"]).lines(),
                ["pages: 0", "code: 0", "code beside code: 0"], "errno \(errno)")
        }
    }

    /// An emulator that has given up its privileges after it made the guest's memory.
    func testNothingIsLostWhereMembarrierIsRefusedLater() throws {
        XCTAssertEqual(try child("later", ["\(EPERM)"]).lines(), ["pages: 0", "code: 0"])
    }

    override func perform(_ role: String, _ port: ChildPort) throws {
        let errno = try XCTUnwrap(CInt(port.arguments[0]))
        if role == "later" {
            let memories = try (0..<2).map { _ in try Self.memories(200) }
            try Forbidden.membarrier.forbid(errno)
            port.say("pages: \(Self.lostPages(memories[0]))")
            port.say("code: \(Self.lostCode(memories[1]))")
        } else {
            try Forbidden.membarrier.forbid(errno)
            port.say("pages: \(try Self.lostPages())")
            port.say("code: \(try Self.lostCode())")
            port.say("code beside code: \(try Self.lostCode(besides: 1..<2))")
        }
    }

    // MARK: Races

    /// Each memory is watched once: a page that is new to a processor takes longest to write, and
    /// only the first protection of a memory has to become known to the threads that mark.
    private static func memories(_ count: Int) throws -> [GuestRAM] {
        try (0..<count).map { _ in try GuestRAM(size: 8192) }
    }

    private static func lostPages() throws -> Int {
        try (0..<rounds / 100).reduce(0) { lost, _ in try lost + lostPages(memories(100)) }
    }

    private static func lostPages(_ memories: [GuestRAM]) -> Int {
        StartRace(memories).lost {
            $0.dirtyLog.start(.migration)
        } isMarked: {
            $0.dirtyLog.takePages() == [0]
        }
    }

    private static func lostCode(besides pages: Range<Int>? = nil) throws -> Int {
        try (0..<rounds / 100).reduce(0) { lost, _ in
            try lost + lostCode(memories(100), besides: pages)
        }
    }

    private static func lostCode(_ memories: [GuestRAM], besides pages: Range<Int>? = nil) -> Int {
        let isHit = Locked(false)
        for memory in memories {
            memory.dirtyLog.onCodeWritten { _ in isHit.current = true }
            if let pages { memory.dirtyLog.protectCode(pages) }
        }
        return StartRace(memories).lost {
            $0.dirtyLog.protectCode(0..<1)
        } isMarked: { _ in
            defer { isHit.current = false }
            return isHit.current
        }
    }
}
