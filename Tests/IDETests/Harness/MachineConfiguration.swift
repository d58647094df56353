import BlockIO
import Foundation
import IDE
@testable import TestSupport

/// What a guest must not notice: the storage, the engine, the caching, the bounce settings.
struct MachineConfiguration: Sendable, CustomStringConvertible {
    /// The bounce settings of both layers.
    enum Bounce: String, CaseIterable, Sendable {
        /// What must.
        case usual
        /// What must, 512 bytes at a time.
        case small
        /// Everything.
        case forced
    }

    var target: StorageTarget.Kind
    var engine: EngineKind
    var caching: OpenOptions.Caching
    var bounce: Bounce

    /// Every storage but zram, with every engine direct and, but for libaio, buffered, each with
    /// all bounce settings; with BLOCKIO_CONFIGURATIONS=few one in seven of them, for runs under the
    /// sanitizers.
    static let all: [MachineConfiguration] = {
        let isFew = ProcessInfo.processInfo.environment["BLOCKIO_CONFIGURATIONS"] == "few"
        // Seven divides no number of choices: each of them is met.
        return every.enumerated().filter { !isFew || $0.offset % 7 == 0 }.map(\.element)
    }()

    /// Those of one storage, for rules that storage has nothing to do with.
    static let engines = all.filter { $0.target == .tmpfsFile }

    /// Those that move every transfer in pieces of 512 bytes.
    static let inPieces = all.filter { $0.bounce == .forced }

    private static let every: [MachineConfiguration] = {
        let targets: [StorageTarget.Kind] = [.tmpfsFile, .ext4File, .loop512, .loop4096]
        return targets.flatMap { target in
            EngineKind.allCases.flatMap { engine in
                cachings(of: engine).flatMap { caching in
                    Bounce.allCases.map {
                        MachineConfiguration(
                            target: target, engine: engine, caching: caching, bounce: $0)
                    }
                }
            }
        }
    }()

    /// For what has nothing to do with any of it.
    static let one = MachineConfiguration(
        target: .tmpfsFile, engine: .ioURing, caching: .direct, bounce: .usual)

    private static func cachings(of engine: EngineKind) -> [OpenOptions.Caching] {
        engine == .linuxAIO ? [.direct] : [.direct, .buffered]
    }

    /// As in failures: "libaio on loop4096, direct, bounce forced".
    var description: String { "\(engine) on \(target.rawValue), \(caching), bounce \(bounce)" }

    var controllerOptions: IDEOptions {
        IDEOptions(
            forceBounce: bounce == .forced, bounceLimit: bounce == .usual ? nil : 512,
            dmaCache: bounce != .small)
    }

    func queueOptions(_ faults: FaultInjector?) -> QueueOptions {
        QueueOptions(
            maximumThreads: 4, bounceLimit: bounce == .usual ? 1 << 20 : 512, faults: faults,
            checksEngineRequests: true)
    }
}
