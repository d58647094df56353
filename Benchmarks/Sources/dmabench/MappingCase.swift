import BenchSupport
import GuestMemory

/// Where the elements of a list are.
enum Layout: String, CaseIterable {
    case contiguous, scattered, mixed, bounced

    /// The first to offend is the eighth.
    func isPossible(elements: Int) -> Bool { self != .mixed || elements >= 8 }
}

/// One list, and a device that maps it again and again.
final class MappingCase {
    let layout: Layout
    let direction: DMADirection
    private let mapper: DMAMapper
    private let list: ScatterGatherList
    private let alignment: Int

    /// The number of elements.
    var elements: Int { list.count }

    private static let page: UInt64 = 4096
    private static let pages = 1 << 18

    init(_ layout: Layout, elements: Int, _ direction: DMADirection) throws {
        self.layout = layout
        self.direction = direction
        alignment = layout == .mixed ? 512 : 1
        let space = try AddressSpace()
        let ram = try GuestRAM(size: Self.pages * Int(Self.page))
        try space.map(.ram(ram), at: 0)
        ram.dirtyLog.start(.migration)
        mapper = try DMAMapper(space, options: DMAOptions(forceBounce: layout == .bounced))

        var list = ScatterGatherList(capacity: elements)
        var random = PageChoice()
        var seen = Set<Int>()
        while list.count < elements {
            let page = layout == .contiguous ? list.count : random.next(below: Self.pages)
            // With its neighbour, which a late element reaches into.
            guard layout == .contiguous || seen.isDisjoint(with: [page - 1, page, page + 1])
            else { continue }
            seen.insert(page)
            let isLate = layout == .mixed && list.count % 8 == 7
            list.append(
                address: GuestAddress(UInt64(page) * Self.page + (isLate ? 300 : 0)),
                length: Self.page)
        }
        self.list = list
    }

    /// Maps and unmaps this often.
    func run(_ count: Int) throws {
        for _ in 0..<count {
            try mapper.map(list, direction, alignment: alignment).unmap()
        }
    }

    /// Nanoseconds of one map and unmap, over at least this time.
    func time(atLeast limit: UInt64) throws -> Double {
        let start = MonotonicClock.nanoseconds
        var done = 0
        while true {
            try run(64)
            done += 64
            let elapsed = MonotonicClock.nanoseconds - start
            if elapsed >= limit { return Double(elapsed) / Double(done) }
        }
    }
}

/// Knuth's multiplier ("MMIX", The Art of Computer Programming, 3.3.4): the same pages in every run.
private struct PageChoice {
    private var state: UInt64 = 1

    mutating func next(below limit: Int) -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int(state >> 33) % limit
    }
}
