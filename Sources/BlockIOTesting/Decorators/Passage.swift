import Glibc

/// What happens to a submission on its way to the engine.
enum Passage {
    /// The engine is asked.
    case asked
    /// The engine is asked, and the decorator sees its answer, with this mark.
    case watched(mark: Int)
    /// The engine is not asked; the answer is this.
    case answered(errno: CInt, isTransient: Bool)
    /// The engine is asked when the submissions held by this rule are released.
    case held(FaultInjector.RuleID)
    /// The engine is asked after this many nanoseconds.
    case delayed(UInt64)
    /// The engine has no room for it now.
    case refused
}
