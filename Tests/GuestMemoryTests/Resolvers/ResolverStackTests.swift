import BlockDMA
import BlockIO
import Glibc
import GuestMemory
import XCTest

@testable import TestSupport

/// Device -> DMA controller -> IOMMU -> memory, on images, by way of the bridge.
/// See docs/guest-memory.md, D10.
final class ResolverStackTests: ConformanceTestCase {
    private static let length: UInt64 = 64 << 10
    /// As the device addresses memory.
    private static let start: GuestAddress = 0x1_0000_0000

    /// A guest whose pages the IOMMU shows in reverse order.
    private struct ReversedMachine {
        let ram: GuestRAM
        let space: AddressSpace
        let iommu: PageTableIOMMU

        init() throws {
            ram = try GuestRAM(size: 1 << 20)
            space = try AddressSpace()
            try space.map(.ram(ram), at: 0)
            let tables = ResolverPageTables(in: space, at: 0x80000)
            let last = ResolverStackTests.length / 4096 - 1
            for page in 0...last {
                try tables.map(
                    ResolverStackTests.start + page * 4096, to: GuestAddress((last - page) * 4096))
            }
            iommu = try tables.iommu()
            ram.dirtyLog.start(.migration)
        }

        /// What the device sees.
        var content: [UInt8] {
            let last = Int(ResolverStackTests.length) / 4096 - 1
            return (0...last).flatMap { page in
                ram.bytes((last - page) * 4096..<(last - page + 1) * 4096)
            }
        }
    }

    /// A bus that is wired to a part of the IOMMU's addresses: it only rewrites.
    private final class Offset: AddressResolver {
        let offset: UInt64
        init(_ offset: UInt64) { self.offset = offset }

        func resolve(
            _ address: GuestAddress, length: UInt64, direction: DMADirection
        ) throws(GuestMemoryError) -> ResolvedRange {
            ResolvedRange(address: address &+ offset, length: length)
        }
    }

    private func forEachImage(
        _ check: (ReversedMachine, BlockQueue, PlainFile) throws -> Void
    ) throws {
        let size = Int(Self.length)
        try forEachTarget(size: 2 * size, where: { $0.threading == .owned }) {
            configuration, target in
            let image = try configuration.open(target)
            let queue = try configuration.queue(on: image)
            let file = try PlainFile(target.path, direct: image.caching == .direct)
            try check(ReversedMachine(), queue, file)
        }
    }

    private func bytes(of file: PlainFile, at offset: Int) throws -> [UInt8] {
        let buffer = try file.contents(at: offset, Int(Self.length))
        return withExtendedLifetime(buffer) { Array(buffer.bytes) }
    }

    func testRewritingOnlyStaysWithoutCopies() throws {
        try forEachImage { machine, queue, file in
            let mapper = try DMAMapper(
                machine.space, resolvers: [Offset(Self.start.offset(from: 0x1000)), machine.iommu])
            let list = ScatterGatherList([(0x1000, Self.length)])
            let content = AlignedBuffer(count: Int(Self.length))
            content.fill(0x5a)
            try file.write(content.bytes, at: 4096)
            let before = queue.statistics
            XCTAssertEqual(
                try queue.carryOut(list, .fromDevice, on: mapper, at: 4096).outcome, .success)
            XCTAssertTrue(machine.content.allSatisfy { $0 == 0x5a })
            XCTAssertEqual(machine.ram.dirtyLog.takePages(), Array(0..<16))

            let written = pattern(Int(Self.length))
            machine.ram.put(written)
            XCTAssertEqual(
                try queue.carryOut(list, .toDevice, on: mapper, at: 8192).outcome, .success)
            assertBytes(try bytes(of: file, at: 8192), machine.content)
            XCTAssertEqual(mapper.statistics.bouncedBytes, 0)
            XCTAssertEqual(mapper.statistics.directBytes, 2 * Self.length)
            XCTAssertEqual(queue.statistics.bouncedBytes, before.bouncedBytes)
            XCTAssertEqual(queue.statistics.kernelRequests, before.kernelRequests + 2)
            XCTAssertEqual(machine.ram.dirtyLog.takePages(), [], "only read")
        }
    }

    func testWordsAreReversedOnTheWayThroughAllSteps() throws {
        try forEachImage { machine, queue, file in
            // The controller's own limit: 16 pieces.
            let mapper = try DMAMapper(
                machine.space, resolvers: [ByteSwapper(width: 4), machine.iommu],
                options: DMAOptions(bounceLimit: 4096))
            let list = ScatterGatherList([(Self.start, Self.length)])
            let content = pattern(Int(Self.length))
            let medium = AlignedBuffer(count: content.count)
            medium.bytes.copyBytes(from: content)
            try file.write(medium.bytes, at: 0)
            XCTAssertEqual(
                try queue.carryOut(list, .fromDevice, on: mapper, at: 0).outcome, .success)
            let reversed = stride(from: 0, to: content.count, by: 4).flatMap {
                content[$0..<$0 + 4].reversed()
            }
            assertBytes(machine.content, reversed)
            XCTAssertEqual(
                try queue.carryOut(list, .toDevice, on: mapper, at: Int(Self.length)).outcome,
                .success)
            assertBytes(try bytes(of: file, at: content.count), content)
            XCTAssertEqual(mapper.statistics.directBytes, 0)
        }
    }

    func testAFaultBehindTheControllerIsTheDevicesAddress() throws {
        let machine = try ReversedMachine()
        let mapper = try DMAMapper(
            machine.space, resolvers: [Offset(0x1000), try ByteSwapper(width: 2), machine.iommu])
        // The last page, and the one behind it.
        let address = Self.start + Self.length - 4096 - 0x1000
        let (_, step) = mapper.begin(ScatterGatherList([(address, 8192)]), .fromDevice)
        guard case .done(let result) = step, case .fault(let error) = result.outcome else {
            return XCTFail("\(step)")
        }
        XCTAssertEqual(error.code, .notTranslated)
        XCTAssertEqual(error.address, address + 4096)
    }
}
