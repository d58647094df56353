import BlockIO
import CTestSupport
import XCTest
@testable import TestSupport

/// Image locks between processes.
final class CrossProcessLockTests: HostileTestCase {
    private static let kinds: [StorageTarget.Kind] = [.tmpfsFile, .ext4File]

    func testTheErrorNamesTheHolder() throws {
        try forEachFile { target in
            let holder = try self.child("hold", ["exclusive", target.pathForChildren])
            try holder.expect("held")
            for access in [OpenOptions.Access.readOnly, .readWrite] {
                let error = XCTAssertRefused(.locked) {
                    try BlockImage.open(target.path, OpenOptions(access: access))
                }
                XCTAssertContains(error?.detail, "(process \(holder.process))")
            }
            // A look without a lock is nobody's business.
            XCTAssertNoThrow(try BlockImage.open(target.path, OpenOptions(lock: .off)))
        }
    }

    func testReadersOfTwoProcessesShare() throws {
        try forEachFile { target in
            let holder = try self.child("hold", ["shared", target.pathForChildren])
            try holder.expect("held")
            XCTAssertNoThrow(try BlockImage.open(target.path, OpenOptions(access: .readOnly)))
            let error = XCTAssertRefused(.locked) {
                try BlockImage.open(target.path, OpenOptions(access: .readWrite))
            }
            XCTAssertContains(error?.detail, "(process \(holder.process))")
        }
    }

    /// A process is killed while a queue of each engine is at work; whoever restarts it finds the
    /// image free, although the kernel takes a ring and its requests apart in the background.
    func testAKilledHolderHoldsNothing() throws {
        try forEach(Self.kinds + [.loop512]) { target in
            for engine in EngineKind.allCases {
                for round in 1...(engine == .ioURing ? 20 : 4) {
                    let holder = try self.child(
                        "hold", ["exclusive", target.pathForChildren, "\(engine)"])
                    try holder.expect("held")
                    try holder.expect("at work")
                    let error = XCTAssertRefused(target.kind == .loop512 ? .deviceBusy : .locked) {
                        try BlockImage.open(target.path, OpenOptions(access: .readWrite))
                    }
                    XCTAssertContains(error?.detail, "(process \(holder.process))")
                    // In every other round without waiting for the end of the process.
                    if round.isMultiple(of: 2) { holder.kill() } else { holder.signal(SIGKILL) }
                    XCTAssertNoThrow(
                        try BlockImage.open(target.path, OpenOptions(access: .readWrite)),
                        "\(engine), round \(round)")
                }
            }
        }
    }

    /// The lock's descriptor is on its way through a socket, so that no process has it open.
    func testALockThatNoProcessIsSeenToHold() throws {
        let target = try orSkip(StorageTarget.make(.tmpfsFile, size: 1 << 20))
        defer { target.close() }
        var ends: [CInt] = [-1, -1]
        try SystemCall.check(cts_socketpair(&ends), "socketpair")
        let sockets = ends.map(Descriptor.init)
        do {
            let file = Descriptor(Descriptor.open(target.path, O_RDWR))
            // Nothing is tolerated in others: see `ImageLock`.
            try SystemCall.check(cts_lock_shared(file.raw, 200, 8), "fcntl")
            var descriptor = file.raw
            XCTAssertEqual(cts_send(sockets[0].raw, "x", 1, &descriptor, 1), 1)
        }
        let error = XCTAssertRefused(.locked, errno: EAGAIN) {
            try BlockImage.open(target.path, OpenOptions(access: .readWrite))
        }
        XCTAssertContains(error?.detail, "a lock held by a process that this one cannot see, or by")
        sockets.forEach { $0.close() }
        XCTAssertNoThrow(try BlockImage.open(target.path, OpenOptions(access: .readWrite)))
    }

    func testAChildThatClosesHoldsNothing() throws {
        try forEachFile { target in
            let holder = try self.child("hold", ["exclusive", target.pathForChildren])
            try holder.expect("held")
            try holder.tell("close")
            try holder.expect("closed")
            // At once, while the process lives on.
            XCTAssertNoThrow(try BlockImage.open(target.path, OpenOptions(access: .readWrite)))
        }
    }

    /// A child of fork(2) shares the lock, and does not take it from its parent when it lets go of
    /// the image.
    func testAChildOfForkThatDropsTheImageDoesNotUnlockIt() throws {
        try forEachFile { target in
            let lines = try self.child("fork", [target.pathForChildren]).lines()
            XCTAssertEqual(lines, ["dropped 0", "refused locked", "free"])
        }
    }

    private func forEachFile(_ check: (StorageTarget) throws -> Void) throws {
        try forEach(Self.kinds, check)
    }

    private func forEach(
        _ kinds: [StorageTarget.Kind], _ check: (StorageTarget) throws -> Void
    ) throws {
        for kind in kinds {
            let target = try orSkip(StorageTarget.make(kind, size: 1 << 20))
            defer { target.close() }
            try check(target)
        }
    }

    private func fork(_ path: String, _ port: ChildPort) throws {
        let options = OpenOptions(access: .readWrite)
        var image: BlockImage? = try BlockImage.open(path, options)
        let child = cts_fork()
        if child == 0 {
            image = nil
            _exit(0)
        }
        port.say("dropped \(cts_wait(try SystemCall.check(child, "fork")))")
        do {
            _ = try BlockImage.open(path, options)
            port.say("opened")
        } catch {
            port.say("refused \(error.code)")
        }
        withExtendedLifetime(image) {}
        image = nil
        // Both have let go of it.
        _ = try BlockImage.open(path, options)
        port.say("free")
    }

    override func perform(_ role: String, _ port: ChildPort) throws {
        if role == "fork" { return try fork(port.arguments[0], port) }
        do {
            let engine = port.arguments.dropFirst(2).first.flatMap(EngineKind.init(rawValue:))
            let image = try BlockImage.open(
                port.arguments[1],
                OpenOptions(
                    access: port.arguments[0] == "shared" ? .readOnly : .readWrite,
                    engine: engine.map(EngineChoice.forced) ?? .auto))
            port.say("held")
            if engine != nil { try work(image, port) }
            port.hear()
            withExtendedLifetime(image) {}
        }
        port.say("closed")
        port.hear()
    }

    /// Writes until the process is killed.
    private func work(_ image: BlockImage, _ port: ChildPort) throws -> Never {
        let queue = try BlockQueue(image)
        let buffer = AlignedBuffer(count: 1 << 16)
        var isFirst = true
        while true {
            for part in 0..<16 {
                queue.write(from: .init(buffer.slice(part << 12, 1 << 12)), at: UInt64(part << 12))
            }
            queue.drain()
            if isFirst { port.say("at work") }
            isFirst = false
        }
    }
}
