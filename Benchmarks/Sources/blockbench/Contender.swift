import BlockIO

/// What is compared: one way to do the same work.
enum Contender: Hashable, Sendable {
    /// One list, one request, through this engine of the library.
    case engine(EngineChoice)
    /// Vectored I/O emulated: one request for every element, through the engine that `auto` takes.
    /// What it loses against that engine is the price of splitting.
    case scalar
    /// The same, but an element's request starts when the one before it has completed.
    case serial
    /// One request with one buffer, and a copy between the buffer and the elements.
    case bounce
    /// POSIX lio_listio(3), one control block for every element.
    case listIO

    /// As on the command line.
    var name: String {
        switch self {
        case .engine(.auto): "auto"
        case .engine(.forced(let kind)): kind.rawValue
        case .scalar: "scalar"
        case .serial: "serial"
        case .bounce: "bounce"
        case .listIO: "lio_listio"
        }
    }

    /// The engine for its image.
    var engineChoice: EngineChoice {
        if case .engine(let choice) = self { choice } else { .auto }
    }
}
