import BlockIO
import BlockIOTesting
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

    /// Every engine, direct and, but for libaio, buffered, each with all bounce settings, and each on
    /// another storage than the one before. BLOCKIO_CONFIGURATIONS=all puts each on every storage but
    /// zram; =few leaves one bounce setting to each engine and caching, for runs under the sanitizers.
    static let all: [MachineConfiguration] = {
        if Configuration.choice == "all" {
            return targets.flatMap { target in onOne.map { $0.on(target) } }
        }
        return some(onOne.enumerated().map { $0.element.on(targets[$0.offset % targets.count]) })
    }()

    /// Those of one storage, for rules that storage has nothing to do with.
    static let engines = some(onOne)

    /// Those that move every transfer in pieces of 512 bytes.
    static let inPieces = all.filter { $0.bounce == .forced }

    private static let targets: [StorageTarget.Kind] = [.tmpfsFile, .ext4File, .loop512, .loop4096]
    private static let onOne: [MachineConfiguration] = EngineKind.allCases.flatMap { engine in
        cachings(of: engine).flatMap { caching in
            Bounce.allCases.map {
                MachineConfiguration(
                    target: .tmpfsFile, engine: engine, caching: caching, bounce: $0)
            }
        }
    }

    private static func some(_ configurations: [MachineConfiguration]) -> [MachineConfiguration] {
        guard Configuration.choice == "few" else { return configurations }
        // Of each engine and caching another setting than of the one before.
        let settings = Bounce.allCases.count
        return configurations.enumerated()
            .filter { $0.offset % settings == $0.offset / settings % settings }.map(\.element)
    }

    private func on(_ target: StorageTarget.Kind) -> MachineConfiguration {
        var result = self
        result.target = target
        return result
    }

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
        QueueOptions(maximumThreads: 4, bounceLimit: bounce == .usual ? 1 << 20 : 512)
            .checked(with: faults)
    }
}
