import XCTest

@testable import GuestMemory
@testable import TestSupport

/// The trees behind an address space, beside what they stand for: regions painted over each other one
/// address after another.
final class MapLayoutTests: RandomTestCase {
    private static let window = 200

    /// Each stretch with the region that is seen there, as long as it can be.
    private func painted(_ regions: [MappedRegion]) -> [(sequence: UInt64, first: Int, last: Int)] {
        var seen = [MappedRegion?](repeating: nil, count: Self.window)
        for mapped in regions.sorted(by: { $0.rank < $1.rank }) {
            for address in mapped.base.rawValue...mapped.last.rawValue {
                seen[Int(address)] = mapped
            }
        }
        var ranges: [(sequence: UInt64, first: Int, last: Int)] = []
        for (address, mapped) in seen.enumerated() {
            guard let mapped, mapped.region.kind != .hole else { continue }
            if let last = ranges.last, last.sequence == mapped.sequence, last.last == address - 1 {
                ranges[ranges.count - 1].last = address
            } else {
                ranges.append((mapped.sequence, address, address))
            }
        }
        return ranges
    }

    /// All values in order; checks the heights on the way.
    private func values<Value>(_ node: PersistentTree<Value>.Node?) -> [Value] {
        guard let node else { return [] }
        let heights = [node.left, node.right].map { $0?.height ?? 0 }
        XCTAssertLessThanOrEqual(abs(heights[0] - heights[1]), 2)
        XCTAssertEqual(node.height, 1 + heights.max()!)
        return values(node.left) + [node.value] + values(node.right)
    }

    func testRangesAreWhatIsPainted() {
        forEachCase(60) { random in
            var layout = MapLayout()
            var regions: [MappedRegion] = []
            for _ in 0..<60 {
                let former = layout
                let formerRegions = regions
                if regions.isEmpty || random.number(0...2) > 0 {
                    let base = random.number(0...Self.window - 1)
                    let size = random.number(
                        1...min(Self.window - base, [3, 40, 200].randomElement(using: &random)!))
                    let mapped = MappedRegion(
                        random.number(0...3) == 0
                            ? .hole(size: UInt64(size))
                            : .mmio(ByteStore(size: size), size: UInt64(size)),
                        at: GuestAddress(base), priority: random.number(0...2),
                        sequence: layout.additions, version: 1)
                    layout.add(mapped)
                    regions.append(mapped)
                } else {
                    let index = random.number(0...regions.count - 1)
                    let mapped = regions.remove(at: index)
                    XCTAssertTrue(layout.remove(mapped))
                    XCTAssertFalse(layout.remove(mapped))
                }
                // The former layout is what it was.
                for (layout, regions) in [(layout, regions), (former, formerRegions)] {
                    let found = values(layout.visible.root).map {
                        "\($0.region.sequence): \($0.first.rawValue)-\($0.last.rawValue)"
                    }
                    XCTAssertEqual(
                        found, painted(regions).map { "\($0.sequence): \($0.first)-\($0.last)" })
                }
            }
        }
    }

    func testLookupFindsTheRange() {
        var layout = MapLayout()
        for index in 0..<1000 {
            layout.add(
                MappedRegion(
                    .mmio(ByteStore(size: 2), size: 2), at: GuestAddress(index * 7919 % 1000 * 4),
                    priority: 0, sequence: layout.additions, version: 1))
        }
        // 1.44 log n would be that of an AVL tree.
        XCTAssertLessThanOrEqual(layout.visible.root?.height ?? 0, 18)
        let map = MemoryMap(layout, version: 1)
        for address in UInt64(0)..<4000 {
            let range = map.range(at: GuestAddress(address))
            XCTAssertEqual(range?.pointee.first, address & 3 < 2 ? GuestAddress(address & ~3) : nil)
        }
    }
}

/// What waits until maps that showed a region are no longer held.
final class HeldVersionsTests: RandomTestCase {
    func testACallbackComesWhenTheLastOfItsVersionsIsReleased() {
        let called = Locked<[Int]>([])
        func callback(_ number: Int) -> @Sendable () -> Void {
            { called.withLock { $0.append(number) } }
        }
        for order in [[2, 5, 9], [9, 5, 2], [5, 9, 2], [5, 2, 9]] as [[UInt64]] {
            called.current = []
            var held = HeldVersions()
            for version in [2, 5, 9] as [UInt64] { held.append(version) }
            XCTAssertFalse(held.wait(for: 3..<5, callback(0)))
            XCTAssertFalse(held.wait(for: 10..<20, callback(0)))
            XCTAssertFalse(held.wait(for: 5..<5, callback(0)))
            XCTAssertTrue(held.wait(for: 2..<6, callback(1)))
            XCTAssertTrue(held.wait(for: 0..<10, callback(2)))
            XCTAssertTrue(held.wait(for: 6..<10, callback(3)))
            for (index, version) in order.enumerated() {
                for callback in held.release(version) { callback() }
                let left = order[(index + 1)...]
                var expected: Set<Int> = []
                if !left.contains(2) && !left.contains(5) { expected.insert(1) }
                if left.isEmpty { expected.insert(2) }
                if !left.contains(9) { expected.insert(3) }
                XCTAssertEqual(called.current.sorted(), expected.sorted(), "\(order), \(index)")
            }
            XCTAssertEqual(held.release(2).count, 0)
        }
    }

    /// Versions come, are waited for and go in any order, beside a list that is searched each time.
    func testEachReleaseCallsWhatWaitsForNothingElse() {
        forEachCase(200) { random in
            let called = Locked<[Int]>([])
            var held = HeldVersions()
            var versions: [UInt64] = []
            var waiting: [(number: Int, versions: Range<UInt64>)] = []
            for number in 0..<120 {
                switch random.number(0...2) {
                case 0:
                    versions.append(UInt64(number))
                    held.append(UInt64(number))
                case 1:
                    let first = UInt64(random.number(0...number))
                    let range = first..<UInt64(random.number(Int(first)...number))
                    let waits = held.wait(for: range) { called.withLock { $0.append(number) } }
                    XCTAssertEqual(waits, versions.contains { range.contains($0) })
                    if waits { waiting.append((number, range)) }
                default:
                    if versions.isEmpty { continue }
                    let version = versions.remove(at: random.number(0...versions.count - 1))
                    called.current = []
                    for callback in held.release(version) { callback() }
                    let isDone = { (range: Range<UInt64>) in
                        !versions.contains { range.contains($0) }
                    }
                    XCTAssertEqual(
                        called.current, waiting.filter { isDone($0.versions) }.map(\.number))
                    waiting.removeAll { isDone($0.versions) }
                }
            }
        }
    }
}
