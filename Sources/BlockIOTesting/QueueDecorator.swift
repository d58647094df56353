import BlockIO

/// Something between the pipeline of a queue and its engine. Each is one idea, and they stack in any order:
/// see `QueueOptions/decorated(by:)`.
///
/// A decorator never changes what the engine is asked: the engine gets the submissions that the pipeline
/// makes, whole. A decorator changes an answer, the moment at which it comes, or whether the engine is asked
/// at all. A submission is not a request: a request that is misaligned, large or cut short by an answer
/// takes several.
public struct QueueDecorator: Sendable {
    /// From the one next to the pipeline to the one next to the engine.
    let layers: [any EngineDecorator]

    private init(_ layers: any EngineDecorator...) { self.layers = layers }

    /// Asserts that every engine submission obeys `BlockImage/alignment`, stays inside the file and is
    /// not larger than an engine has to take: a wrong one stops the program.
    public static let alignmentChecked = QueueDecorator(AlignmentCheck())

    /// Writes down the submissions that the engine gets.
    public static func logged(in log: SubmissionLog) -> QueueDecorator {
        QueueDecorator(LogKeeper(log: log))
    }

    /// Fails engine submissions while a switch is off.
    public static func powered(by power: PowerSwitch) -> QueueDecorator {
        QueueDecorator(PowerLoss(power: power))
    }

    /// Applies all rules of an injector. A submission is held first, then delayed, refused or failed; or the
    /// engine is asked and its answer changed.
    public static func faults(_ injector: FaultInjector) -> QueueDecorator {
        QueueDecorator(
            Holds(injector: injector), Delays(injector: injector), Refusals(injector: injector),
            Failures(injector: injector), ShortAnswers(injector: injector),
            FlippedBytes(injector: injector), Reordering(injector: injector))
    }

    /// Applies the rules for ``FaultInjector/Fault/hold`` alone.
    public static func holds(_ injector: FaultInjector) -> QueueDecorator {
        QueueDecorator(Holds(injector: injector))
    }

    /// Applies the rules for ``FaultInjector/Fault/delay(_:)`` alone.
    public static func delays(_ injector: FaultInjector) -> QueueDecorator {
        QueueDecorator(Delays(injector: injector))
    }

    /// Applies the rules for ``FaultInjector/Fault/refuse`` alone.
    public static func refusals(_ injector: FaultInjector) -> QueueDecorator {
        QueueDecorator(Refusals(injector: injector))
    }

    /// Applies the rules for ``FaultInjector/Fault/error(_:)`` and ``FaultInjector/Fault/transientError(_:)``
    /// alone.
    public static func failures(_ injector: FaultInjector) -> QueueDecorator {
        QueueDecorator(Failures(injector: injector))
    }

    /// Applies the rules for ``FaultInjector/Fault/short(_:)`` alone.
    public static func shortAnswers(_ injector: FaultInjector) -> QueueDecorator {
        QueueDecorator(ShortAnswers(injector: injector))
    }

    /// Applies the rules for ``FaultInjector/Fault/flipByte`` alone.
    public static func flippedBytes(_ injector: FaultInjector) -> QueueDecorator {
        QueueDecorator(FlippedBytes(injector: injector))
    }

    /// Applies the rules for ``FaultInjector/Fault/reorder`` alone.
    public static func reordering(_ injector: FaultInjector) -> QueueDecorator {
        QueueDecorator(Reordering(injector: injector))
    }
}
