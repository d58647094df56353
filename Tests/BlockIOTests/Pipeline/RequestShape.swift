@testable import TestSupport

/// A place in the image and how the memory for it is cut: every kind that the pipeline tells apart.
struct RequestShape {
    /// In the image, in bytes.
    let range: Range<Int>
    /// Of the elements; they add up to the range.
    let lengths: [Int]
    /// Whether the elements begin on pages, or anywhere.
    let isPageAligned: Bool

    static let mostElements = 40
    static let longest = 60_000

    /// A shape inside an image of `size` bytes, sometimes right behind `last`.
    static func random(
        size: Int, behind last: Range<Int>, using random: inout SplitMix64
    ) -> RequestShape {
        switch random.number(0...3) {
        case 0: aligned(unit: 512, size, last, &random)
        case 1: aligned(unit: 4096, size, last, &random)
        case 2: mixed(size, &random)
        default: anything(size, last, &random)
        }
    }

    /// Any bytes, and any elements, some of them empty.
    private static func anything(
        _ size: Int, _ last: Range<Int>, _ random: inout SplitMix64
    ) -> RequestShape {
        let limit = [600, 5000, 20_000, longest][random.number(0...3)]
        let length = random.number(1...min(limit, size))
        let start = place(of: length, 1, size, last, &random)
        let count = random.number(1...mostElements)
        let inner = (1..<max(count, 2)).map { _ in random.number(0...length) }.sorted()
        let cuts = count == 1 ? [0, length] : [0] + inner + [length]
        return RequestShape(
            range: start..<start + length, lengths: zip(cuts, cuts.dropFirst()).map { $1 - $0 },
            isPageAligned: random.number(0...3) == 0)
    }

    /// Whole sectors or pages, in one to four elements of whole sectors or pages.
    private static func aligned(
        unit: Int, _ size: Int, _ last: Range<Int>, _ random: inout SplitMix64
    ) -> RequestShape {
        let lengths = (1...random.number(1...4)).map { _ in unit * random.number(1...3) }
        let length = lengths.reduce(0, +)
        let start = place(of: length, unit, size, last, &random)
        return RequestShape(
            range: start..<start + length, lengths: lengths, isPageAligned: true)
    }

    /// Pages, between which here and there is one in odd parts: what offends has direct neighbours.
    private static func mixed(_ size: Int, _ random: inout SplitMix64) -> RequestShape {
        var lengths: [Int] = []
        for _ in 0..<random.number(1...10) {
            let part = random.number(1...4095)
            switch random.number(0...2) {
            case 0: lengths += [part, 4096 - part]
            case 1: lengths += [part, 4096, 4096 - part]
            default: lengths += [4096 * random.number(1...2)]
            }
        }
        let length = lengths.reduce(0, +)
        let start = random.number(0...(size - length) / 4096) * 4096
        return RequestShape(range: start..<start + length, lengths: lengths, isPageAligned: true)
    }

    private static func place(
        of length: Int, _ unit: Int, _ size: Int, _ last: Range<Int>, _ random: inout SplitMix64
    ) -> Int {
        switch random.number(0...7) {
        case 0, 1:
            min(last.upperBound, size - length) / unit * unit
        case 2: (size - length) / unit * unit
        default: random.number(0...(size - length) / unit) * unit
        }
    }
}
