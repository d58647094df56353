/// Which engine an image is to use.
public enum EngineChoice: Sendable, Hashable {
    /// The engine that is allowed, safe and serves this image best.
    case auto
    /// This one; when it cannot work the open fails with
    /// ``BlockError/Code/engineUnavailable``. There is no silent change to another.
    case forced(EngineKind)
}
