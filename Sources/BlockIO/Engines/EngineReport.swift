/// Which engines were considered for an image, and why each was taken or not.
public struct EngineReport: Sendable, Hashable {
    /// Whether one engine was taken, and why.
    @nonexhaustive
    public enum Outcome: Sendable, Hashable {
        /// It runs this image; the text says what spoke for it.
        case taken(String)
        /// Another engine was preferred, or this one would not be safe for the image; the text says
        /// why, and whether the engine was tried.
        case passedOver(String)
        /// It cannot be used, or could not open a queue: one sentence with the reason and what an
        /// administrator can do, and the errno behind it (0 when it was not the kernel that refused).
        case refused(String, errno: CInt)
    }

    /// One engine and its outcome.
    public struct Entry: Sendable, Hashable {
        /// The engine.
        public let engine: EngineKind
        /// Whether it was taken, and why.
        public let outcome: Outcome
    }

    /// In the order in which they were considered.
    public internal(set) var entries: [Entry]
    /// What else there is to say, a sentence each: that the image's size was rounded up
    /// (``OpenOptions/roundsUpSize``), and which files of the image the engine cannot serve itself.
    public internal(set) var notes: [String] = []

    /// What became of `engine`; `nil` when it was not considered.
    public subscript(engine: EngineKind) -> Outcome? {
        entries.first { $0.engine == engine }?.outcome
    }

    /// Replaces what became of an engine that was considered before.
    mutating func change(_ engine: EngineKind, to outcome: Outcome) {
        guard let index = entries.firstIndex(where: { $0.engine == engine }) else { return }
        entries[index] = Entry(engine: engine, outcome: outcome)
    }
}

extension EngineReport: CustomStringConvertible {
    /// One line an engine and one a note, for a log or a terminal.
    public var description: String {
        let lines = entries.map { entry in
            switch entry.outcome {
            case .taken(let why): "\(entry.engine): taken, \(why)"
            case .passedOver(let why): "\(entry.engine): not taken, \(why)"
            case .refused(let why, _): "\(entry.engine): refused, \(why)"
            }
        }
        return (lines + notes.map { "note: \($0)" }).joined(separator: "\n")
    }
}
