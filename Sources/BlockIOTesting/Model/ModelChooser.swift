/// Makes the decisions that a ``ModelKernel`` leaves open: everything that a real kernel is free to do.
package protocol ModelChooser: AnyObject {
    /// Whether submissions are answered without being asked for, so that a sleeper must always be woken.
    /// False when somebody calls ``ModelKernel/answerSome()`` whenever nothing else can happen.
    var isAutonomous: Bool { get }

    /// How many of `offered` submissions the kernel takes at one time; fewer is EAGAIN.
    func accepted(of offered: Int) -> Int

    /// How many submissions are answered at one visit.
    func number(from least: Int, through most: Int) -> Int

    /// Which of `count` submissions in flight is answered next.
    func index(below count: Int) -> Int

    /// Whether a submission whose cancellation was asked for is answered with ECANCELED.
    func cancels() -> Bool

    /// What goes wrong with a submission; `nil` when nothing does.
    func fault(of menu: [ModelFault]) -> ModelFault?

    /// Whether a wait with a limit ends by it although something could end before.
    func passesTime() -> Bool

    /// The queue waits for more than can still end: with a real kernel it would never return.
    func reportHang(_ text: String)

    /// The queue does what no correct queue does.
    func reportMisuse(_ text: String)

    /// Says what happens, for a readable trace.
    func note(_ text: @autoclosure () -> String)
}
