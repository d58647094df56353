import BlockIO
import BlockIOTesting
import CTestSupport
import GuestMemory
import XCTest
@testable import TestSupport

/// Memory of requests that another process has taken away: the request fails as with the kernel's EFAULT,
/// and SIGBUS stays what it was for everything else in the process.
final class LostBufferTests: HostileTestCase {
    private static let size = 1 << 20
    /// Of a file in memory, behind which everything is taken away.
    private static let kept = 4 * 4096

    override func perform(_ role: String, _ port: ChildPort) throws {
        switch role {
        case "chained": try performChained(port)
        case "sent": try performSent(port)
        case "ignored": try performIgnored(port)
        case "foreign": try performForeign(port)
        default: throw FixtureError.failed("no role \(role)")
        }
    }

    // MARK: Requests

    /// Whatever goes through a buffer of the queue's, and what does not.
    func testRequestsOnMemoryThatIsGone() throws {
        try GuestRAM.surviveTruncation()
        for kind in [StorageTarget.Kind.tmpfsFile, .ext4File, .loop512, .loop4096] {
            let target = try orSkip(StorageTarget.make(kind, size: Self.size))
            defer { target.close() }
            for setup in EngineSetup.all {
                try checkRequests(target.path, setup, "\(kind), \(setup)")
            }
        }
    }

    private func checkRequests(_ path: String, _ setup: EngineSetup, _ what: String) throws {
        let image = try BlockImage.open(
            path,
            OpenOptions(
                access: .readWrite, caching: setup.caching, engine: .forced(setup.engine)))
        let queue = try BlockQueue(image, QueueOptions().checked())
        let old = AlignedBuffer(count: 65536)
        old.bytes.initializeMemory(as: UInt8.self, repeating: 0x77)
        try report(queue, { queue.write(from: .init(old.bytes), at: 0) }, nil, what)
        let peer = try PeerFile(size: 16 * 4096, fill: 0xEE)
        let memory = try GuestRAM(descriptor: peer.descriptor, size: peer.size)
        try peer.shorten(to: Self.kept)
        for round in 0..<2 {
            // Address in the memory, position in the image, count.
            for (start, position, count) in [
                (0x5000, 4096, 4096), (0x5001, 8192, 4096), (0x6000, 512, 512), (0x7000, 3, 5),
                (0x4003, 5000, 30000), (0x3800, 0x4000, 4096), (0x3FFF, 0x6000, 512),
            ] {
                let bytes = UnsafeMutableRawBufferPointer(
                    start: memory.base + start, count: count)
                let what = "\(what), \(start), round \(round)"
                try report(
                    queue, { queue.write(from: .init(bytes), at: UInt64(position)) }, EFAULT, what)
                try report(queue, { queue.read(into: bytes, at: UInt64(position)) }, EFAULT, what)
            }
        }
        let found = AlignedBuffer(count: 65536)
        try report(queue, { queue.read(into: found.bytes, at: 0) }, nil, what)
        // What the memory still had may have been written, and nothing else.
        let wrong = found.bytes.firstIndex { $0 != 0x77 && $0 != 0xEE }
        XCTAssertNil(wrong, "byte \(wrong ?? 0) of the image, \(what)")
        let kept = UnsafeMutableRawBufferPointer(start: memory.base + 1, count: 4096)
        try report(queue, { queue.write(from: .init(kept), at: 0) }, nil, what)
    }

    /// What lies beyond a file of an odd size is filled by the queue itself.
    func testZeroesForMemoryThatIsGone() throws {
        try GuestRAM.surviveTruncation()
        let target = try orSkip(StorageTarget.make(.tmpfsFile, size: 4097))
        defer { target.close() }
        let image = try BlockImage.open(target.path, OpenOptions(caching: .buffered))
        XCTAssertEqual(image.size, 4608)
        let queue = try BlockQueue(image)
        let peer = try PeerFile(size: 2 * 4096, fill: 0xEE)
        let memory = try GuestRAM(descriptor: peer.descriptor, size: peer.size)
        try peer.shorten(to: 4096)
        let kept = UnsafeMutableRawBufferPointer(start: memory.base, count: 511)
        let gone = UnsafeMutableRawBufferPointer(start: memory.base + 4096, count: 511)
        try report(queue, { queue.read(into: gone, at: 4097) }, EFAULT, "beyond the end")
        try report(queue, { queue.read(into: kept, at: 4097) }, nil, "memory that is there")
        XCTAssertTrue(kept.allSatisfy { $0 == 0 })
    }

    private func report(
        _ queue: borrowing BlockQueue, _ submit: () -> Void, _ errno: CInt?, _ what: String
    ) throws {
        submit()
        try queue.finish { completion in
            XCTAssertEqual(completion.failure, errno == nil ? nil : .system, what)
            XCTAssertEqual(completion.errno, errno ?? 0, what)
        }
    }

    // MARK: Other uses of SIGBUS

    /// A program has a handler of its own for memory of its own.
    func testAHandlerThatWasThereStillHasItsMemory() throws {
        XCTAssertEqual(
            try child("chained").lines(),
            [
                "lost: errno \(EFAULT), handled 0", "own: 0, handled 1",
                "lost: errno \(EFAULT), handled 1",
            ])
    }

    private func performChained(_ port: ChildPort) throws {
        let handled = UnsafeMutablePointer<Int>.allocate(capacity: 1)
        handled.pointee = 0
        ownHandlerCount = handled
        var action = sigaction()
        action.__sigaction_handler.sa_sigaction = { _, info, _ in
            ownHandlerCount?.pointee += 1
            let address = UInt(bitPattern: info?.pointee._sifields._sigfault.si_addr) & ~4095
            mmap(
                UnsafeMutableRawPointer(bitPattern: address), 4096, PROT_READ,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0)
        }
        action.sa_flags = SA_SIGINFO
        try SystemCall.check(SystemCall.result(sigaction(SIGBUS, &action, nil)), "sigaction")
        try GuestRAM.surviveTruncation()
        let (space, peer) = try lostSpace()
        func loseGuestMemory() {
            do {
                _ = try space.load(at: 8192, as: UInt32.self)
                port.say("it is there")
            } catch {
                port.say("lost: errno \(error.errno), handled \(handled.pointee)")
            }
        }
        loseGuestMemory()
        let own = try foreignMapping(peer)
        port.say(
            "own: \(own.load(fromByteOffset: 8192, as: UInt8.self)), handled \(handled.pointee)")
        loseGuestMemory()
    }

    /// A signal that is sent ends the process as it would without the library.
    func testASignalThatIsSentEndsTheProcess() throws {
        try assertEnds("sent")
    }

    /// The role does not come to its end. Under a sanitizer it is not the signal that ends it.
    private func assertEnds(_ role: String, line: UInt = #line) throws {
        let child = try child(role)
        XCTAssertEqual(try child.line(), "ready", line: line)
        XCTAssertNil(try child.line(), line: line)
        XCTAssertNotEqual(child.wait(), 0, line: line)
    }

    private func performSent(_ port: ChildPort) throws {
        // The handler of Swift's runtime takes every SIGBUS for a fault that happens again.
        signal(SIGBUS, SIG_DFL)
        try GuestRAM.surviveTruncation()
        let (space, _) = try lostSpace()
        do { _ = try space.load(at: 8192, as: UInt32.self) } catch { port.say("ready") }
        kill(getpid(), SIGBUS)
        port.say("alive")
    }

    /// A program that ignores it goes on, and the library's handler stays.
    func testASignalThatIsIgnoredStaysSo() throws {
        XCTAssertEqual(try child("ignored").lines(), ["alive", "lost"])
    }

    private func performIgnored(_ port: ChildPort) throws {
        signal(SIGBUS, SIG_IGN)
        try GuestRAM.surviveTruncation()
        let (space, _) = try lostSpace()
        kill(getpid(), SIGBUS)
        port.say("alive")
        do { _ = try space.load(at: 8192, as: UInt32.self) } catch { port.say("lost") }
    }

    /// Memory that is not the library's: SIGBUS as ever.
    func testOtherMemoryEndsTheProcess() throws {
        try assertEnds("foreign")
    }

    private func performForeign(_ port: ChildPort) throws {
        signal(SIGBUS, SIG_DFL)
        try GuestRAM.surviveTruncation()
        let (_, peer) = try lostSpace()
        let own = try foreignMapping(peer)
        port.say("ready")
        port.say("read \(own.load(fromByteOffset: 8192, as: UInt8.self))")
    }

    /// Guest memory of which only the first page is there.
    private func lostSpace() throws -> (AddressSpace, PeerFile) {
        let peer = try PeerFile(size: 16 * 4096, fill: 1)
        let space = try AddressSpace()
        try space.map(.ram(GuestRAM(descriptor: peer.descriptor, size: peer.size)), at: 0)
        try peer.shorten(to: 4096)
        return (space, peer)
    }

    /// A mapping of the same file that the library knows nothing of.
    private func foreignMapping(_ peer: PeerFile) throws -> UnsafeMutableRawPointer {
        let own = mmap(nil, peer.size, PROT_READ, MAP_SHARED, peer.descriptor, 0)
        guard let own, own != MAP_FAILED else { throw FixtureError.failed("mmap: \(errno)") }
        return own
    }
}

/// Of the handler in a child of ``LostBufferTests``: how often it has been called.
nonisolated(unsafe) private var ownHandlerCount: UnsafeMutablePointer<Int>?
