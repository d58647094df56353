/// A reader of the ``DirtyLog``. Each has a bitmap of its own.
public enum DirtyConsumer: Int, Sendable, CaseIterable {
    /// Live migration, snapshots and tests.
    case migration
    /// A display that redraws what has changed.
    case display
}
