import BlockDMA
import BlockIO
import BlockIOTesting
import Glibc
import GuestMemory
import XCTest

@testable import TestSupport
@testable import VirtioBlock

/// A driver without manners on a host that fails and answers out of order. Nothing may trap, hang, or
/// touch what it must not: the bytes around the memory that requests name, the bytes of the image that no
/// write names.
///
/// VIRTIO_FUZZ_DESCRIPTORS says how many descriptors there are, and VIRTIO_FUZZ_SEED (1) with which seed
/// they begin.
final class FuzzTests: XCTestCase {
    /// Of one world.
    private static let perRound = 4000

    func testDescriptors() throws {
        let environment = ProcessInfo.processInfo.environment
        let total = environment["VIRTIO_FUZZ_DESCRIPTORS"].flatMap { Int($0) } ?? 60_000
        let first = environment["VIRTIO_FUZZ_SEED"].flatMap { UInt64($0) } ?? 1
        let target = try StorageTarget.make(.tmpfsFile, size: FuzzDriver.imageSize)
        defer { target.close() }
        var sum = FuzzDriver.Tally()
        for round in 0..<max(1, total / Self.perRound) {
            let seed = first &+ UInt64(round)
            let tally = try Watchdog.guarding("the fuzzer, VIRTIO_FUZZ_SEED=\(seed)") {
                let driver = try FuzzDriver(target, seed: seed)
                do {
                    try driver.run(descriptors: min(total, Self.perRound))
                } catch let finding as FuzzDriver.Finding {
                    XCTFail("VIRTIO_FUZZ_SEED=\(seed): \(finding.text)")
                }
                return driver.tally
            }
            sum.add(tally)
        }
        print("fuzzer, seeds from \(first): \(sum.text)")
        // All of it has happened.
        if total >= 60_000 {
            for (name, count) in sum.counts { XCTAssertGreaterThan(count, 0, name) }
        }
        // The rarest of these comes about once in 60,000 descriptors.
        if total >= 1_000_000 {
            for fault in VirtioRingFault.allCases where fault != .size && fault != .alignment {
                XCTAssertGreaterThan(sum.faults[fault] ?? 0, 0, "\(fault)")
            }
        }
    }
}
