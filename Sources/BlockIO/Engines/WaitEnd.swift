/// Why a wait in an engine returned.
package enum WaitEnd {
    /// There is an answer, or the limit has passed.
    case normal
    /// Another thread woke the engine.
    case woken
    /// A signal handler ran (EINTR).
    case interrupted
}
