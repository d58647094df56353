import BlockIO

/// One thing that can befall the operations of a queue. What is common to all of them, keeping operations and
/// answers and coming back to them, is done by ``DecoratedEngine``.
protocol OperationDecorator: EngineDecorator {
    /// Nothing can befall an operation yet; once false, it stays so. Operations then pass unseen.
    var isIdle: Bool { get }

    /// Operations can end, or go on, without an answer of the engine: a wait must end for each of its
    /// answers and for each wake.
    var mayEndWaits: Bool { get }

    /// What becomes of an operation on its way to the engine.
    func passage(of operation: AskedOperation) -> Passage

    /// The engine has answered an operation that is watched: changes the answer.
    func takeAnswer(of operation: AskedOperation, mark: Int) -> Delivery

    /// The decorator is over another open engine.
    func attach(_ layer: DecoratorLayer)

    /// That engine is closed.
    func detach(_ layer: DecoratorLayer)

    /// The rules whose operations, held by this layer so far, are to go on; `nil` in it: all.
    func takeReleased(_ layer: DecoratorLayer) -> [FaultInjector.RuleID?]

    /// The layer holds more operations, or fewer.
    func countHeld(_ change: Int)
}

extension OperationDecorator {
    var isIdle: Bool { false }
    var mayEndWaits: Bool { false }
    func takeAnswer(of operation: AskedOperation, mark: Int) -> Delivery { .now }
    func attach(_ layer: DecoratorLayer) {}
    func detach(_ layer: DecoratorLayer) {}
    func takeReleased(_ layer: DecoratorLayer) -> [FaultInjector.RuleID?] { [] }
    func countHeld(_ change: Int) {}

    func decorate(_ base: any OpenEngine, of image: BlockImage) -> any OpenEngine {
        EngineBox(DecoratedEngine(base, self))
    }
}

/// An operation of the engine, for whoever decides what befalls it.
struct AskedOperation {
    let request: RequestPointer

    var order: EngineOrder { request.pointee.engine }

    /// Which of the image's host files it is for.
    var file: Int { request.pointee.file }

    /// What kind it is; a read that is made for a partial write is a read.
    var kind: BlockOperation {
        switch order.operation {
        case .read: .read
        case .write, .bufferedWrite: .write
        case .synchronize, .synchronizeBoth: .flush
        default: request.pointee.verb
        }
    }
}

/// What becomes of an operation on its way to the engine.
enum Passage {
    /// The engine is asked.
    case asked
    /// The engine is asked, and the decorator sees its answer, with this mark.
    case watched(mark: Int)
    /// The engine is not asked; the answer is this.
    case answered(errno: CInt, isTransient: Bool)
    /// The engine is asked when operations of this rule are released.
    case held(FaultInjector.RuleID)
    /// The engine is asked after so many nanoseconds.
    case delayed(UInt64)
    /// The engine has no room for it now.
    case refused
}

/// When an answer goes on to the pipeline.
enum Delivery {
    case now
    /// After another, if there is another.
    case afterAnother
}
