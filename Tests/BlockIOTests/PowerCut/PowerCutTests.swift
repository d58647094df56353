import BlockIO
import BlockIOTesting
import Glibc
import XCTest
@testable import TestSupport

/// After a power cut at any moment: what was acknowledged as durable is there, and every sector is
/// whole, one of the versions that were written to it and none older than the durable one.
final class PowerCutTests: XCTestCase {
    func testNothingDurableIsLostAndNoSectorIsTorn() throws {
        let rounds = Int(ProcessInfo.processInfo.environment["BLOCKIO_ROUNDS"] ?? "") ?? 30
        for round in 0..<UInt64(rounds) {
            for offset in [512, 4096] {
                try check(blockSize: offset, seed: Seed.value &+ round)
            }
        }
    }

    private func check(blockSize: Int, seed: UInt64) throws {
        let model = VolatileDisk(size: Disk.size, seed: seed)
        let image = try BlockImage.open(
            volatileDisk: model,
            OpenOptions(
                access: .readWrite, alignment: HostAlignment(memory: 512, offset: blockSize)))
        let queue = try BlockQueue(image, QueueOptions(bounceLimit: 8192).checked())
        let disk = Disk(seed: seed)
        let steps = 40 + Int(seed % 200)
        for _ in 0..<steps { disk.step(queue) }
        // In the middle of everything: what is in flight may be done, in part, or not.
        let content = model.cutPower()
        if let complaint = disk.complaint(about: content) {
            XCTFail("seed \(seed), blocks of \(blockSize): \(complaint)")
        }
        queue.close()
    }
}

/// The writer's side: what it has written to each sector, and what it may rely on.
private final class Disk {
    static let sectors = 64
    static let size = sectors * VolatileDisk.sectorSize

    /// By sector: the versions written to it; the index is what its content says.
    private var newest = [Int](repeating: 0, count: sectors)
    /// By sector: the versions that are zeroes.
    private var zeroes = [[Int]](repeating: [0], count: sectors)
    /// By sector: acknowledged, and durable at least.
    private var acknowledged = [Int](repeating: 0, count: sectors)
    private var durable = [Int](repeating: 0, count: sectors)
    private var live: [UInt: Operation] = [:]
    private var next: UInt = 1
    private var random: SplitMix64

    private enum Operation {
        /// Without memory for zeroes.
        case write(Range<Int>, isDurable: Bool, UnsafeMutableRawBufferPointer?)
        /// With what was acknowledged when it was submitted.
        case flush([Int])
    }

    init(seed: UInt64) { random = SplitMix64(seed: seed) }

    func step(_ queue: BlockQueue) {
        switch random.next() % 8 {
        case 0...4: write(queue)
        case 5:
            live[next] = .flush(acknowledged)
            queue.flush(userData: next)
        default: queue.poll(minimum: Int(random.next() % 3), acknowledge)
        }
        next += 1
    }

    private func write(_ queue: BlockQueue) {
        let first = Int(random.next() % UInt64(Self.sectors))
        let range = first..<min(Self.sectors, first + 1 + Int(random.next() % 20))
        let isBusy = live.values.contains {
            if case .write(let other, _, _) = $0 { other.overlaps(range) } else { false }
        }
        if isBusy { return }
        let isDurable = random.next() % 3 == 0
        if random.next() % 4 == 0 { return zero(queue, range, isDurable: isDurable) }
        let buffer = UnsafeMutableRawBufferPointer.allocate(
            byteCount: range.count * VolatileDisk.sectorSize, alignment: 512)
        for (index, sector) in range.enumerated() {
            newest[sector] += 1
            Self.fill(buffer, index, sector: sector, version: newest[sector])
        }
        live[next] = .write(range, isDurable: isDurable, buffer)
        queue.write(
            from: UnsafeRawBufferPointer(buffer),
            at: UInt64(range.lowerBound * VolatileDisk.sectorSize),
            durability: isDurable ? .forceUnitAccess : .volatile, userData: next)
    }

    private func zero(_ queue: BlockQueue, _ range: Range<Int>, isDurable: Bool) {
        for sector in range {
            newest[sector] += 1
            zeroes[sector].append(newest[sector])
        }
        live[next] = .write(range, isDurable: isDurable, nil)
        queue.writeZeroes(
            at: UInt64(range.lowerBound * VolatileDisk.sectorSize),
            length: UInt64(range.count * VolatileDisk.sectorSize),
            options: isDurable ? .forceUnitAccess : [], userData: next)
    }

    private func acknowledge(_ completion: BlockCompletion) {
        XCTAssertTrue(completion.isSuccess)
        switch live.removeValue(forKey: completion.userData) {
        case .write(let range, let isDurable, let buffer):
            for sector in range {
                acknowledged[sector] = newest[sector]
                if isDurable { durable[sector] = newest[sector] }
            }
            buffer?.deallocate()
        case .flush(let covered):
            for sector in 0..<Self.sectors {
                durable[sector] = max(durable[sector], covered[sector])
            }
        case nil: XCTFail("a second completion of request \(completion.userData)")
        }
    }

    /// Every word of a sector names the sector and the version.
    private static func fill(
        _ buffer: UnsafeMutableRawBufferPointer, _ index: Int, sector: Int, version: Int
    ) {
        for word in 0..<VolatileDisk.sectorSize / 8 {
            buffer.storeBytes(
                of: UInt64(sector) << 32 | UInt64(version),
                toByteOffset: index * VolatileDisk.sectorSize + word * 8, as: UInt64.self)
        }
    }

    func complaint(about content: [UInt8]) -> String? {
        content.withUnsafeBytes { bytes in
            for sector in 0..<Self.sectors {
                let start = sector * VolatileDisk.sectorSize
                let first = bytes.loadUnaligned(fromByteOffset: start, as: UInt64.self)
                for word in 1..<VolatileDisk.sectorSize / 8 {
                    let other = bytes.loadUnaligned(
                        fromByteOffset: start + word * 8, as: UInt64.self)
                    if other != first { return "sector \(sector) is torn" }
                }
                if first != 0 && first >> 32 != UInt64(sector) {
                    return "sector \(sector) holds sector \(first >> 32)"
                }
                let versions = first == 0 ? zeroes[sector] : [Int(first & 0xffff_ffff)]
                let possible = durable[sector]...newest[sector]
                if !versions.contains(where: { possible.contains($0) }) {
                    return "sector \(sector) holds one of the versions \(versions); durable "
                        + "\(durable[sector]), newest \(newest[sector])"
                }
            }
            return nil
        }
    }
}
