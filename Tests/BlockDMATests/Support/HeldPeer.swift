import GuestMemory

/// Memory of another process that answers when the test says so: bytes that are all the same when read,
/// and what is written is counted.
final class HeldPeer: RemoteMemory, @unchecked Sendable {
    private var waiting: [RemoteAnswer] = []
    private(set) var written = 0

    /// What all its bytes are.
    static let fill: UInt8 = 0xA7

    var maximumTransfer: Int { 1 << 20 }

    func read(
        offset: UInt64, into buffer: UnsafeMutableRawBufferPointer, _ answer: RemoteAnswer
    ) {
        buffer.initializeMemory(as: UInt8.self, repeating: Self.fill)
        waiting.append(answer)
    }

    func write(offset: UInt64, from buffer: UnsafeRawBufferPointer, _ answer: RemoteAnswer) {
        written += buffer.count
        waiting.append(answer)
    }

    /// Answers everything that was asked; how much it was.
    func answerAll(isSuccess: Bool = true) -> Int {
        let answers = waiting
        waiting = []
        for answer in answers { answer.requestCompleted(isSuccess: isSuccess) }
        return answers.count
    }
}
