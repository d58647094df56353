import BlockIO
import Glibc
import XCTest
@testable import TestSupport

/// A program whose system calls are interrupted by signals all the time, as that of a profiler or of
/// an emulator that kicks its processors with signals.
final class SignalStormTests: HostileTestCase {
    private static let rounds = 40
    private static let requests = 16

    func testRequestsEndAsEver() throws {
        for kind in [StorageTarget.Kind.ext4File, .loop512] {
            let target = try orSkip(StorageTarget.make(kind, size: 1 << 20))
            defer { target.close() }
            for engine in EngineKind.allCases {
                for threading in ["owned", "shared"] {
                    let child = try child(
                        "storm", [target.pathForChildren, "\(engine)", threading])
                    XCTAssertEqual(
                        try child.lines(), ["failed 0, signals yes"],
                        "\(engine), \(threading), \(kind)")
                }
            }
        }
    }

    override func perform(_ role: String, _ port: ChildPort) throws {
        let engine = try XCTUnwrap(EngineKind.allCases.first { "\($0)" == port.arguments[1] })
        let image = try BlockImage.open(
            port.arguments[0], OpenOptions(access: .readWrite, engine: .forced(engine)))
        let queue = try BlockQueue(
            image, QueueOptions(threading: port.arguments[2] == "owned" ? .owned : .shared))
        let buffer = AlignedBuffer(count: 65536)
        // Without SA_RESTART.
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { _ in Signals.number += 1 }
        sigaction(SIGALRM, &action, nil)
        let span = timeval(tv_sec: 0, tv_usec: 200)
        var timer = itimerval(it_interval: span, it_value: span)
        setitimer(__itimer_which_t(bitPattern: ITIMER_REAL.rawValue), &timer, nil)
        var failed = 0
        for round in 0..<Self.rounds {
            queue.batch {
                for index in 0..<Self.requests {
                    let block = UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[..<4096])
                    queue.write(from: .init(block), at: UInt64(index * 4096))
                    // Over two blocks, through the bounce buffer.
                    queue.read(into: block, at: UInt64(index * 4096 + 100))
                }
                if round % 4 == 0 { queue.flush() }
                if round % 4 == 1 { queue.discard(at: 65536, length: 4096) }
            }
            queue.drain { failed += $0.isSuccess ? 0 : 1 }
        }
        queue.write(from: .init(rebasing: buffer.bytes[..<4096]), at: 0)
        queue.close { failed += $0.isSuccess ? 0 : 1 }
        port.say("failed \(failed), signals \(Signals.number > 0 ? "yes" : "no")")
    }
}

/// Counted in a signal handler.
private enum Signals {
    nonisolated(unsafe) static var number = 0
}
