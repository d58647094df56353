import BlockIO
import Glibc

/// What a caller knows of its requests, and what it may therefore expect: any legal order of requests
/// that were under way at the same time.
struct History {
    /// Bytes before anything was written, and what is behind the end of the image.
    static let initial: UInt8 = 0xa0
    private static let absent = -1

    struct Request {
        let kind: RequestKind
        let submitted: Int
        var delivered = Int.max
        var isSuccess = false
        var wasCancelled = false
        /// What a discard says of its range.
        var effect = RangeEffect.unknown
        /// What a write leaves.
        let tag: UInt8

        var isDone: Bool { delivered < .max }
    }

    private let layout: Layout
    private let cuts: [Int]
    private(set) var requests: [Request] = []
    private var clock = 0

    init(_ layout: Layout, cuts: [Int]) {
        self.layout = layout
        self.cuts = cuts
        requests.reserveCapacity(8)
    }

    var outstanding: Int { requests.count { !$0.isDone } }

    mutating func submit(_ kind: RequestKind) {
        clock += 1
        requests.append(Request(kind: kind, submitted: clock, tag: UInt8(requests.count + 1)))
    }

    mutating func cancel(_ index: Int) { requests[index].wasCancelled = true }

    mutating func deliver(_ index: Int, isSuccess: Bool, effect: RangeEffect) {
        clock += 1
        requests[index].delivered = clock
        requests[index].isSuccess = isSuccess
        requests[index].effect = effect
    }

    // MARK: Bytes

    /// What a request leaves at a byte: what a read may return then. `nil` when it leaves nothing.
    private func value(_ request: Request, at place: Int) -> Int? {
        switch request.kind.action {
        case .read, .flush: return nil
        case .write, .durableWrite:
            return request.kind.range.contains(place) ? Int(request.tag) : nil
        case .zero, .durableZero: return request.kind.range.contains(place) ? 0 : nil
        case .discard:
            let isHint = request.isDone && request.isSuccess && request.effect == .oldData
            return request.kind.range.contains(place) && !isHint ? 0 : nil
        case .resize:
            if place >= request.kind.range.upperBound { return Self.absent }
            // What a larger image gains is zeroes: behind its old end, or where a smaller one ended.
            let shrinks = requests.contains {
                $0.kind.isResize && $0.kind.range.upperBound <= place
            }
            return place >= layout.size || shrinks ? 0 : nil
        }
    }

    /// Whether a later reader cannot see anything older than this request at a byte.
    private func supersedes(_ request: Request, at place: Int) -> Bool {
        guard request.isSuccess else { return false }
        switch request.kind.action {
        case .discard: return request.effect == .zeroes
        // A larger image keeps what it had, unless there was nothing.
        case .resize:
            return place >= request.kind.range.upperBound || place >= layout.size
        default: return true
        }
    }

    /// Whether a byte may be this to one who looks from `start` to `end`.
    private func mayBe(_ found: Int, at place: Int, from start: Int, to end: Int) -> Bool {
        var newest = 0
        var isWritten = false
        // Writes that had ended when the reader came.
        for request in requests
        where request.delivered < start && supersedes(request, at: place)
            && value(request, at: place) != nil
        {
            newest = max(newest, request.submitted)
            isWritten = true
        }
        if !isWritten {
            let initial = place < layout.size ? Int(Self.initial) : Self.absent
            if found == initial { return true }
        }
        return requests.contains { request in
            request.submitted < end && value(request, at: place) == found
                && request.delivered > newest
        }
    }

    /// Looks at the bytes of `content`, which begins at `offset` of the image.
    private func complaint(
        _ content: UnsafeRawBufferPointer, at offset: Int, from start: Int, to end: Int
    ) -> String? {
        let range = offset..<offset + content.count
        for index in 0..<cuts.count {
            let next = index + 1 < cuts.count ? cuts[index + 1] : .max
            let part = range.clamped(to: cuts[index]..<next)
            guard let first = part.first else { continue }
            // Writes that fail, or that overlap each other, may leave parts of themselves.
            for place in part
            where place == first || content[place - offset] != content[place - offset - 1] {
                let value = Int(content[place - offset])
                if !mayBe(value, at: first, from: start, to: end) {
                    return "byte \(place) is \(value)"
                }
            }
        }
        return nil
    }

    /// What is wrong with the bytes that a read has returned.
    func complaint(aboutRead index: Int, _ content: UnsafeRawBufferPointer) -> String? {
        let request = requests[index]
        return complaint(
            content, at: request.kind.range.lowerBound, from: request.submitted,
            to: request.delivered
        ).map { "request \(index) has read what was never there: \($0)" }
    }

    /// What is wrong with the image when nothing is under way.
    func complaint(aboutImage content: [UInt8]) -> String? {
        content.withUnsafeBytes { complaint($0, at: 0, from: clock + 1, to: clock + 1) }
            .map { "the image holds what no order of the requests leaves: \($0)" }
    }

    // MARK: Stability

    /// Whether a request has left bytes that the queue has reported stable.
    private func isStable(_ request: Request) -> Bool {
        guard request.isSuccess else { return false }
        if request.kind.isDurable { return true }
        return requests.contains {
            $0.kind.isFlush && $0.isSuccess && request.delivered < $0.submitted
        }
    }

    /// What is lost if the power fails now and only `content` survives.
    func complaint(aboutStable content: [UInt8]) -> String? {
        for (index, durable) in requests.enumerated() where isStable(durable) {
            if [.read, .flush, .resize].contains(durable.kind.action) { continue }
            if durable.kind.action == .discard && durable.effect != .zeroes { continue }
            for place in cuts where durable.kind.range.contains(place) {
                let found = place < content.count ? Int(content[place]) : Self.absent
                let survives = requests.contains {
                    value($0, at: place) == found && $0.delivered > durable.submitted
                }
                if !survives {
                    return
                        "request \(index) was reported stable, and after a power cut byte \(place) "
                        + "is \(found)"
                }
            }
        }
        return nil
    }
}
