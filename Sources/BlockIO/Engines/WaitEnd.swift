/// Why a wait ended.
package enum WaitEnd {
    /// There was something, or the limit passed.
    case normal
    /// Somebody woke the engine.
    case woken
    /// A signal handler ran (EINTR).
    case interrupted
}
