import BlockIO
import XCTest
@testable import TestSupport

/// With the thread pool an owner that waits for the only request there is does it itself: the kernel
/// counts the read system calls of a thread, proc_pid_io(5).
final class OwnerServiceTests: ConformanceTestCase {
    func testAnOwnerThatWaitsReadsItself() throws {
        try onPageCache { subject in
            // Where the machine is busy it takes long until none was slow for a while.
            for _ in 0..<100 {
                if try ownReads(subject, count: 400, wait: { try $0.finish() }) > 0 { return }
            }
            XCTFail("threads did all of 40,000 reads")
        }
    }

    func testAnOwnerThatSleepsOnTheDescriptorDoesNot() throws {
        try onPageCache { subject in
            let events = try EventSet(subject.queue.descriptor)
            let own = try ownReads(subject, count: 400) { queue in
                while queue.outstanding > 0 {
                    guard events.wait() != nil else { throw Stuck(outstanding: queue.outstanding) }
                    queue.poll()
                }
            }
            XCTAssertLessThan(own, 10)
        }
    }

    /// A limit that has passed is no wait.
    func testAnOwnerThatOnlyLooksDoesNot() throws {
        try onPageCache { subject in
            let own = try ownReads(subject, count: 400) { queue in
                while queue.outstanding > 0 { queue.poll(minimum: 1, timeout: .zero) }
            }
            XCTAssertLessThan(own, 10)
        }
    }

    /// Quick to read, and not known for it beforehand.
    private func onPageCache(_ body: (Subject) throws -> Void) throws {
        try forEachConfiguration(
            size: 1 << 20,
            where: {
                $0.target == .ext4File && $0.engine == .threadPool && $0.caching == .buffered
                    && $0.threading == .owned
            }, body)
    }

    /// How many of so many reads, one after the other, this thread does.
    private func ownReads(
        _ subject: Subject, count: Int, wait: (BlockQueue) throws -> Void
    ) throws -> Int {
        let buffer = subject.buffer(4096)
        let before = try bytesReadHere()
        for index in 0..<count {
            subject.queue.read(into: buffer.bytes, at: UInt64(index % 256 * 4096))
            try wait(subject.queue)
        }
        // What else it reads, eventfds and the like, is a few bytes each time.
        return (try bytesReadHere() - before) / 4096
    }

    /// `rchar` of this thread.
    private func bytesReadHere() throws -> Int {
        let text = try String(contentsOfFile: "/proc/thread-self/io", encoding: .utf8)
        let line = try XCTUnwrap(text.split(separator: "\n").first { $0.hasPrefix("rchar: ") })
        return try XCTUnwrap(Int(line.dropFirst("rchar: ".count)))
    }
}
