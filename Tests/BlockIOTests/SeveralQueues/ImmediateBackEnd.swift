import BlockHost
import BlockIO
import Synchronization
@testable import TestSupport

/// A back end that moves no bytes and answers a submission when a queue submits it, with success. It takes
/// submissions in ``Engine/submit(_:answered:)`` only, so that a queue that waits submits after it has looked at its
/// mailbox.
///
/// Unchecked, because one thread uses all queues of the image.
final class ImmediateBackEnd: BackEnd, @unchecked Sendable {
    /// Called before the next answer, once.
    var beforeAnswer: (() -> Void)?
    private let bytes: Atomic<UInt64>

    init(size: UInt64) { bytes = Atomic(size) }

    var name: String { "immediate" }
    var size: UInt64 { bytes.load(ordering: .relaxed) }
    var alignment: HostAlignment { HostAlignment(memory: 1, offset: 512) }
    var isDirect: Bool { true }
    var capabilities: BlockImage.Capabilities { .all }

    func openEngine(
        for image: BlockImage, _ options: QueueOptions
    ) throws(BlockError) -> any OpenEngine {
        do throws(SystemCallError) {
            return EngineBox(ImmediateEngine(backEnd: self, event: try Event()))
        } catch {
            throw BlockError(.system, errno: error.errno, operation: .open, image: image.path)
        }
    }

    fileprivate func answer(_ submission: EngineSubmission) -> Int64 {
        let call = beforeAnswer
        beforeAnswer = nil
        call?()
        switch submission.kind {
        case .read, .write, .bufferedWrite: return Int64(submission.length)
        case .truncate: bytes.store(submission.position, ordering: .relaxed)
        default: break
        }
        return 0
    }
}

private struct ImmediateEngine: ~Copyable, Engine {
    let backEnd: ImmediateBackEnd
    let event: Event

    var inFlight: Int { 0 }
    var descriptor: CInt { event.descriptor }
    var wakeEvent: WakeEvent { .event(event) }

    mutating func submit(_ pending: inout RequestFIFO, answered: inout RequestFIFO) {
        while let request = pending.takeFirst() {
            request.pointee.result = backEnd.answer(request.pointee.submission)
            answered.append(request)
        }
    }

    mutating func reap(
        minimum: Int, limit: WaitLimit, pending: inout RequestFIFO, answered: inout RequestFIFO
    ) -> WaitEnd {
        if minimum > 0 && pending.isEmpty && event.wait(limit) == .interrupted {
            return .interrupted
        }
        return event.take() ? .woken : .normal
    }

    mutating func cancel(_ request: RequestPointer) {}

    mutating func shutDown() { event.close() }
}
