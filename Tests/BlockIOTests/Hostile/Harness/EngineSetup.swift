import BlockIO
@testable import TestSupport

/// An engine and a way through the kernel that it can take.
struct EngineSetup: Sendable, CustomStringConvertible {
    /// The engine, which is forced.
    let engine: EngineKind
    /// Direct or buffered.
    let caching: OpenOptions.Caching

    /// Every engine direct and, but for libaio which refuses, buffered.
    static let all: [EngineSetup] =
        EngineKind.allCases.map { EngineSetup(engine: $0, caching: .direct) }
        + [EngineKind.ioURing, .threadPool].map { EngineSetup(engine: $0, caching: .buffered) }

    /// As in failures: "libaio, direct".
    var description: String { "\(engine), \(caching)" }

    /// Opens an image for reading and writing.
    func open(_ path: String) throws(BlockError) -> BlockImage {
        try BlockImage.open(
            path, OpenOptions(access: .readWrite, caching: caching, engine: .forced(engine)))
    }
}
