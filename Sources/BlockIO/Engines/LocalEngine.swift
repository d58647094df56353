/// An engine that moves the bytes of files and devices of this host: what choosing one for an image
/// has to know of it. Each is declared in a file beside its engine; ``all`` lists them.
struct LocalEngine: Sendable {
    let kind: EngineKind
    /// How well it would serve an image.
    let suitability: @Sendable (EngineEvidence, OpenOptions) -> EngineSuitability
    /// Tries it on a descriptor; `nil` when it can run an image there.
    let refusal: @Sendable (_ descriptor: CInt, OpenOptions.Caching) -> EngineRefusal?
    /// Whether it can move bytes of a file without blocking the thread that submits; where it cannot,
    /// helper threads do. By default it can.
    var serves: @Sendable (HostFile) -> Bool = { _ in true }
    /// Opens it for a queue.
    let open: @Sendable (BlockImage, QueueOptions) throws(BlockError) -> ActiveEngine

    /// The engine of this kind; `nil` when it is not a local one.
    static func of(_ kind: EngineKind) -> LocalEngine? { all.first { $0.kind == kind } }
}
