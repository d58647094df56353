/// An engine that moves the bytes of files and devices of this host: what choosing one for an image
/// has to know of it. Each is declared in a file beside its engine; ``all`` lists them.
struct LocalEngine: Sendable {
    let kind: EngineKind
    /// How well it would serve an image.
    let suitability: @Sendable (EngineEvidence, OpenOptions) -> EngineSuitability
    /// Tries it on a descriptor; `nil` when it can run an image there.
    let refusal: @Sendable (_ descriptor: CInt, OpenOptions.Caching) -> EngineRefusal?
    /// Opens it for a queue.
    let open: @Sendable (BlockImage, QueueOptions) throws(BlockError) -> ActiveEngine

    /// The engine of this kind; `nil` when it is not a local one.
    static func of(_ kind: EngineKind) -> LocalEngine? { all.first { $0.kind == kind } }
}

/// What speaks for an engine on an image, as far as that is known without trying it.
struct EngineSuitability {
    /// Engines are tried in this order.
    enum Rank: CaseIterable {
        case first, second, last
    }

    var rank: Rank
    var reason: String
    /// Why the engine must not be taken for the image; `nil` when nothing forbids it.
    var exclusion: EngineReport.Outcome?
}

/// Why an engine cannot be used: one sentence, with what an administrator can do.
struct EngineRefusal {
    let reason: String
    let errno: CInt
}
