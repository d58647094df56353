import GuestMemory

/// Memory of another process that answers when the test says so. A read takes the bytes when it is made,
/// and a write brings them when it is answered: whatever is done to the memory in between is missed.
///
/// Safe to share, because a test has one thread.
final class HeldMemory: RemoteMemory, @unchecked Sendable {
    var bytes: [UInt8]
    private var waiting: [() -> Void] = []
    /// Answers wait for ``answer()``; once false, everything is answered at once.
    var isHolding = true { didSet { if !isHolding { answer() } } }

    /// How many requests have no answer.
    var requests: Int { waiting.count }

    var maximumTransfer: Int { 1 << 20 }

    init(size: Int) { bytes = [UInt8](repeating: 0, count: size) }

    func read(
        offset: UInt64, into buffer: UnsafeMutableRawBufferPointer, _ answer: RemoteAnswer
    ) {
        buffer.copyBytes(from: bytes[Int(offset)..<Int(offset) + buffer.count])
        take { answer.requestCompleted(isSuccess: true) }
    }

    func write(offset: UInt64, from buffer: UnsafeRawBufferPointer, _ answer: RemoteAnswer) {
        take { [unowned self] in
            bytes.replaceSubrange(Int(offset)..<Int(offset) + buffer.count, with: buffer)
            answer.requestCompleted(isSuccess: true)
        }
    }

    private func take(_ answer: @escaping () -> Void) {
        if isHolding { waiting.append(answer) } else { answer() }
    }

    /// Answers everything that was asked; how much it was.
    @discardableResult
    func answer() -> Int {
        let answers = waiting
        waiting = []
        for answer in answers { answer() }
        return answers.count
    }
}
