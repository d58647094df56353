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

    /// Whatever the killed process was doing: idle, or with a queue of each engine at work.
    func testAKilledHolderHoldsNothing() throws {
        try forEachFile { target in
            for engine in EngineKind.allCases {
                let holder = try self.child(
                    "hold", ["exclusive", target.pathForChildren, "\(engine)"])
                try holder.expect("held")
                try holder.expect("at work")
                XCTAssertRefused(.locked) {
                    try BlockImage.open(target.path, OpenOptions(access: .readWrite))
                }
                holder.kill()
                // The kernel takes a ring apart in the background.
                try eventually("the lock of a dead process with \(engine) is free") {
                    (try? BlockImage.open(target.path, OpenOptions(access: .readWrite))) != nil
                }
            }
        }
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

    private func forEachFile(_ check: (StorageTarget) throws -> Void) throws {
        for kind in Self.kinds {
            let target = try orSkip(StorageTarget.make(kind, size: 1 << 20))
            defer { target.close() }
            try check(target)
        }
    }

    override func perform(_ role: String, _ port: ChildPort) throws {
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
