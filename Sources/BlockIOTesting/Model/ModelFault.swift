import Glibc

/// What can go wrong with one submission.
package enum ModelFault: Hashable {
    /// A transfer moves only the first bytes.
    case short(Int)
    /// The submission is answered with an error and has no effect.
    case error(CInt)
    /// The kernel could not write back dirty pages. It drops them, and reports that once: to this
    /// submission.
    case writeBack
}
