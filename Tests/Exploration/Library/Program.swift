/// What a caller does between two requests.
package enum Gap: String, Sendable, CaseIterable {
    case nothing
    case poll
    case pollOne = "poll-one"
    case pollAll = "poll-all"
}

/// How a caller goes on after its last request.
package enum Ending: String, Sendable, CaseIterable {
    /// Waits for all that is outstanding.
    case drain
    /// Waits for one at a time.
    case pollOne = "poll-one"
    /// Sleeps on the queue's descriptor.
    case sleep
    case close
}

/// Everything about a program but its requests.
package struct Style: Sendable, Equatable {
    package var isBatch = false
    package var gap = Gap.nothing
    /// The request to be cancelled after the last one was made; `nil` for none.
    package var cancelled: Int?
    package var ending = Ending.drain

    /// Few that differ in what the queue goes through.
    static let few = [
        Style(isBatch: true, ending: .drain),
        Style(gap: .nothing, ending: .sleep),
        Style(gap: .pollOne, ending: .drain),
        Style(isBatch: true, ending: .pollOne),
        Style(isBatch: true, ending: .close),
        Style(gap: .poll, cancelled: 0, ending: .sleep),
    ]

    /// Every combination.
    static func all(requests: Int) -> [Style] {
        var styles: [Style] = []
        for ending in Ending.allCases {
            for gap in Gap.allCases where requests > 1 || gap == .nothing {
                for isBatch in [true, false] {
                    for cancelled in [nil] + (0..<requests).map({ $0 as Int? }) {
                        styles.append(
                            Style(isBatch: isBatch, gap: gap, cancelled: cancelled, ending: ending))
                    }
                }
            }
        }
        return styles
    }
}

/// A few requests and the way in which a caller makes them.
package struct Program: Sendable, Equatable {
    package var requests: [RequestKind]
    package var style: Style
}

extension Program: CustomStringConvertible {
    /// Also what `--program` takes.
    package var description: String {
        var words = requests.map(\.name)
        if style.isBatch { words.append("+batch") }
        if style.gap != .nothing { words.append("+gap:\(style.gap.rawValue)") }
        if let cancelled = style.cancelled { words.append("+cancel:\(cancelled)") }
        words.append("+end:\(style.ending.rawValue)")
        return words.joined(separator: ",")
    }

    /// Reads a description; `nil` when it is none of this layout.
    package init?(_ text: String, _ layout: Layout) {
        requests = []
        style = Style()
        for word in text.split(separator: ",").map(String.init) {
            let parts = word.split(separator: ":").map(String.init)
            switch parts[0] {
            case "+batch": style.isBatch = true
            case "+gap":
                guard parts.count == 2, let gap = Gap(rawValue: parts[1]) else { return nil }
                style.gap = gap
            case "+cancel":
                guard parts.count == 2, let index = Int(parts[1]) else { return nil }
                style.cancelled = index
            case "+end":
                guard parts.count == 2, let ending = Ending(rawValue: parts[1]) else { return nil }
                style.ending = ending
            default:
                guard let kind = layout.kinds.first(where: { $0.name == word }) else { return nil }
                requests.append(kind)
            }
        }
        if requests.isEmpty { return nil }
    }

    /// Every program of so many requests of a layout.
    static func forEach(
        _ layout: Layout, requests count: Int, _ styles: [Style], _ body: (Program) throws -> Void
    ) rethrows {
        var indices = [Int](repeating: 0, count: count)
        while true {
            for style in styles {
                if let cancelled = style.cancelled, cancelled >= count { continue }
                try body(Program(requests: indices.map { layout.kinds[$0] }, style: style))
            }
            var place = count - 1
            while place >= 0, indices[place] + 1 == layout.kinds.count {
                indices[place] = 0
                place -= 1
            }
            if place < 0 { return }
            indices[place] += 1
        }
    }
}
