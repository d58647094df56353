/// What an ``ErrorPolicy`` decides for one failure.
public enum ErrorAction: String, Sendable, Hashable {
    /// The guest sees the error.
    case report
    /// The guest sees success.
    case ignore
    /// The request is kept until the emulator resumes the device.
    case stop
}
