/// An interrupt line of the controller.
public enum IDEInterrupt: Sendable, Hashable {
    /// The primary channel in compatibility mode.
    case irq14
    /// The secondary channel in compatibility mode.
    case irq15
    /// Both channels in native mode, level-triggered.
    case inta
}
