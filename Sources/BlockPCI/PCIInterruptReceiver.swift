/// Receives the interrupt pin of a function: an interrupt controller, or a server for another
/// process.
public protocol PCIInterruptReceiver: AnyObject {
    /// The level of the pin has changed. `isRaised` is the logical level: INTA# is electrically low
    /// while it is raised. Called on the thread that accesses the function, before the access
    /// returns.
    func interrupt(of function: PCIFunction, isRaised: Bool)
}
