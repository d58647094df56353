import BlockIO
import Foundation

/// One cell of the conformance matrix: what every check runs on.
struct Configuration: Sendable, CustomStringConvertible {
    /// The kind of storage.
    let target: StorageTarget.Kind
    /// The engine, which is forced.
    let engine: EngineKind
    /// Direct or buffered.
    let caching: OpenOptions.Caching
    /// How threads share the queue.
    let threading: QueueThreading
    /// How the image's bytes lie in files.
    var layout = Layout.raw

    /// How an image's bytes lie in files.
    enum Layout: String, Sendable {
        /// In one file, without a format.
        case raw
        /// In two, see ``Stripes``: one of them direct and one buffered.
        case striped
        /// In none: on a ``BlockIOTesting/VolatileDisk`` as large as the target.
        case volatileDisk
    }

    /// Every storage with every engine direct and, but for libaio which refuses, buffered, each
    /// with both kinds of threading.
    static let all: [Configuration] = StorageTarget.Kind.allCases.flatMap { target in
        EngineKind.allCases.flatMap { engine in
            cachings(of: engine).flatMap { caching in
                [QueueThreading.owned, .shared].map { threading in
                    Configuration(
                        target: target, engine: engine, caching: caching, threading: threading)
                }
            }
        }
    }

    /// A striped image with every engine, each with both kinds of threading, whose first file is on a tmpfs
    /// or on a device with large sectors.
    static let striped: [Configuration] = [StorageTarget.Kind.tmpfsFile, .loop4096].flatMap {
        target in
        EngineKind.allCases.flatMap { engine in
            [QueueThreading.owned, .shared].map { threading in
                Configuration(
                    target: target, engine: engine, caching: .direct, threading: threading,
                    layout: .striped)
            }
        }
    }

    /// A disk in memory, direct and buffered, each with both kinds of threading. The target says only how
    /// large it is.
    static let volatileDisk: [Configuration] = [OpenOptions.Caching.direct, .buffered].flatMap {
        caching in
        [QueueThreading.owned, .shared].map { threading in
            Configuration(
                target: .tmpfsFile, engine: EngineKind(name: "volatile disk"), caching: caching,
                threading: threading, layout: .volatileDisk)
        }
    }

    /// With BLOCKIO_CONFIGURATIONS=few, for runs under the sanitizers, only one kind of threading for each
    /// engine and caching on a target: another one than for that before it, and than on the target
    /// before. Otherwise all of them.
    static func some(_ wanted: [Configuration]) -> [Configuration] {
        guard choice == "few", let target = wanted.first?.target else { return wanted }
        var pairs = StorageTarget.Kind.allCases.firstIndex(of: target) ?? 0
        return wanted.filter { one in
            let isPaired = wanted.contains {
                $0.engine == one.engine && $0.caching == one.caching && $0.layout == one.layout
                    && $0.threading != one.threading
            }
            if one.threading == .owned { pairs += 1 }
            return !isPaired || (one.threading == .owned) == (pairs % 2 == 0)
        }
    }

    /// How many configurations are wanted: "all", "few", or the usual.
    static let choice = ProcessInfo.processInfo.environment["BLOCKIO_CONFIGURATIONS"]

    private static func cachings(of engine: EngineKind) -> [OpenOptions.Caching] {
        engine == .linuxAIO ? [.direct] : [.direct, .buffered]
    }

    /// As in failures: "libaio on loop4096, direct, owned".
    var description: String {
        if layout == .volatileDisk { return "\(engine), \(caching), \(threading)" }
        return (layout == .raw ? "" : "\(layout.rawValue), ")
            + "\(engine) on \(target.rawValue), \(caching), \(threading)"
    }

    /// Opens the image, for reading and writing unless asked otherwise.
    func open(
        _ target: StorageTarget, access: OpenOptions.Access = .readWrite
    ) throws -> BlockImage {
        var options = OpenOptions(access: access, caching: caching, engine: .forced(engine))
        if layout == .striped { options.format = try target.stripes().format }
        if layout == .volatileDisk {
            // A page cache takes anything.
            if caching == .buffered { options.alignment = HostAlignment.none }
            return try BlockImage.open(
                backEnd: target.volatileDisk, named: target.path, options)
        }
        return try BlockImage.open(target.path, options)
    }

    /// Opens a queue with this threading.
    func queue(on image: BlockImage, _ options: QueueOptions = QueueOptions()) throws -> BlockQueue
    {
        var options = options
        options.threading = threading
        return try BlockQueue(image, options)
    }
}
