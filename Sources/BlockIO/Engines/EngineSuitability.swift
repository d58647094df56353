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
