/// Where the interrupt pin of a function leads: an interrupt controller, or another process.
public protocol PCIInterruptReceiver: AnyObject {
    /// The pin has changed its level, which is not inverted: INTA# is low on the bus while it is raised. Called
    /// on the thread that accesses the function, in the middle of that.
    func interrupt(of function: PCIFunction, isRaised: Bool)
}
