import BlockIO

/// What a request of a program does.
package struct RequestKind: Sendable, Equatable {
    enum Action: Sendable {
        case read, write, durableWrite, flush, discard, zero, durableZero, resize
    }

    /// As traces and the command line call it.
    package let name: String
    let action: Action
    /// Bytes of the image; the new size is the upper bound for a resize.
    let range: Range<Int>

    var isFlush: Bool { action == .flush }
    var isResize: Bool { action == .resize }
    /// Whether its success says that its bytes are stable.
    var isDurable: Bool { action == .durableWrite || action == .durableZero }
}

/// An image and the requests that programs are made of.
package struct Layout: Sendable {
    package let name: String
    package let size: Int
    package let caching: OpenOptions.Caching
    /// Bytes that are transferred as a whole.
    package let block: Int
    package let kinds: [RequestKind]

    /// Blocks of 64 bytes, two of them behind the middle of the image, which a resize takes away.
    package static let direct = Layout(
        name: "direct", size: 1024, caching: .direct, block: 64,
        kinds: kinds(first: 512, block: 64, smaller: 512, larger: 1536))

    /// No alignment, and the host's page cache below.
    package static let buffered = Layout(
        name: "buffered", size: 1024, caching: .buffered, block: 1,
        kinds: kinds(first: 512, block: 64, smaller: 512, larger: 1536))

    /// The image ends in the middle of a block of 1024 bytes.
    package static let odd = Layout(
        name: "odd", size: 1536, caching: .direct, block: 1024,
        kinds: [
            RequestKind(name: "read", action: .read, range: 0..<1536),
            RequestKind(name: "write-block", action: .write, range: 0..<1024),
            RequestKind(name: "write-part", action: .write, range: 1000..<1016),
            RequestKind(name: "write-span", action: .write, range: 1008..<1040),
            RequestKind(name: "write-rest", action: .write, range: 1032..<1048),
            RequestKind(name: "fua-span", action: .durableWrite, range: 1016..<1032),
            RequestKind(name: "fua-rest", action: .durableWrite, range: 1040..<1056),
            RequestKind(name: "flush", action: .flush, range: 0..<0),
            RequestKind(name: "discard-span", action: .discard, range: 1008..<1048),
            RequestKind(name: "zero-rest", action: .zero, range: 1024..<1536),
            RequestKind(name: "fua-zero-span", action: .durableZero, range: 1000..<1040),
            RequestKind(name: "resize-smaller", action: .resize, range: 0..<1024),
            RequestKind(name: "resize-larger", action: .resize, range: 0..<2048),
        ])

    package static let all = [direct, buffered, odd]

    private static func kinds(
        first: Int, block: Int, smaller: Int, larger: Int
    ) -> [RequestKind] {
        let second = first + block
        func kind(_ name: String, _ action: RequestKind.Action, _ start: Int, _ end: Int)
            -> RequestKind
        {
            RequestKind(name: name, action: action, range: start..<end)
        }
        return [
            kind("read", .read, first, second + block),
            kind("read-part", .read, first + 8, second + 8),
            kind("write-blocks", .write, first, second + block),
            kind("write-block", .write, first, second),
            kind("write-part", .write, first + 8, first + 24),
            kind("write-other-part", .write, first + 32, first + 48),
            kind("write-part-of-next", .write, second + 16, second + 32),
            kind("write-span", .write, first + 16, second + 24),
            kind("fua-block", .durableWrite, first, second),
            kind("fua-part", .durableWrite, first + 40, first + 56),
            kind("flush", .flush, 0, 0),
            kind("discard-block", .discard, second, second + block),
            kind("discard-part", .discard, first + 16, first + 40),
            kind("zero-span", .zero, first + 48, second + 16),
            kind("fua-zero-part", .durableZero, first + 24, first + 56),
            kind("resize-smaller", .resize, 0, smaller),
            kind("resize-larger", .resize, 0, larger),
        ]
    }

    /// Where ranges begin and end: between two neighbours all bytes fare alike.
    var cuts: [Int] {
        var places = Set([0, size])
        for kind in kinds where !kind.isFlush {
            places.insert(kind.range.lowerBound)
            places.insert(kind.range.upperBound)
        }
        return places.sorted()
    }
}
