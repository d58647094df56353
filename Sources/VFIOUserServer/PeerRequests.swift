import GuestMemory

/// What this side asks of a peer: "VFIO_USER_DMA_READ" and "VFIO_USER_DMA_WRITE", for memory that came
/// without a descriptor.
///
/// Nothing here waits: an answer comes as a message among others, and ends the request. A few requests
/// are on their way at a time, the others stand in line.
final class PeerRequests {
    /// How many bytes the peer takes in one message.
    var transferLimit = VFIOUser.Limit.transfer
    /// Answers have come, or failed to, that the function does not know of yet.
    var hasNews = false
    /// Bytes that were read and written by message.
    private(set) var bytesRead: UInt64 = 0
    private(set) var bytesWritten: UInt64 = 0

    private struct Request {
        let address: UInt64
        /// Where the answer goes, or what is written.
        let memory: UnsafeMutableRawBufferPointer
        let isWrite: Bool
        /// `nil` when nobody wants to know any more; the identifier stays taken until the answer.
        var answer: RemoteAnswer?

        var command: UInt16 { isWrite ? VFIOUser.Command.dmaWrite : VFIOUser.Command.dmaRead }
    }

    private let writer: MessageWriter
    private var sent: [UInt16: Request] = [:]
    /// From `lineStart` on: what is in front has been sent.
    private var line: [Request] = []
    private var lineStart = 0
    private var nextID: UInt16 = 0
    private var isRefusing = false

    /// Requests on their way at a time.
    private static let window = 32

    init(_ writer: MessageWriter) { self.writer = writer }

    func add(
        address: UInt64, _ memory: UnsafeMutableRawBufferPointer, isWrite: Bool,
        _ answer: RemoteAnswer
    ) {
        if isRefusing {
            hasNews = true
            return answer.ended(isSuccess: false)
        }
        line.append(
            Request(address: address, memory: memory, isWrite: isWrite, answer: answer))
        send()
    }

    private func send() {
        while lineStart < line.count && sent.count < Self.window {
            let request = line[lineStart]
            lineStart += 1
            while sent[nextID] != nil { nextID &+= 1 }
            writer.begin(
                MessageHeader(
                    id: nextID, command: request.command, flags: VFIOUser.HeaderFlags.command))
            writer.put(request.address)
            writer.put(UInt64(request.memory.count))
            if request.isWrite { writer.put(UnsafeRawBufferPointer(request.memory)) }
            writer.end()
            sent[nextID] = request
            nextID &+= 1
        }
        forgetSent()
    }

    /// Not after each answer: a transfer in small messages makes a long line, which would be moved for
    /// every one of them.
    private func forgetSent() {
        if lineStart == line.count {
            line.removeAll(keepingCapacity: line.count <= Self.window)
        } else if lineStart > line.count / 2 {
            line.removeFirst(lineStart)
        } else {
            return
        }
        lineStart = 0
    }

    /// A reply has come. One that nobody asked for means nothing.
    func answered(_ header: MessageHeader, _ body: MessageBody) {
        guard let request = sent[header.id], request.command == header.command else { return }
        sent[header.id] = nil
        defer { send() }
        guard let answer = request.answer else { return }
        let count = request.memory.count
        var isGood = !header.hasFailed && body.u64(0) == request.address
        if request.isWrite {
            // The specification has the count of this reply in 4 bytes, QEMU sends 8.
            isGood = isGood && body.u32(8) == UInt32(count)
            if isGood { bytesWritten &+= UInt64(count) }
        } else {
            isGood = isGood && body.u64(8) == UInt64(count) && body.count == 16 + count
            if isGood {
                request.memory.copyMemory(from: body.rest(16))
                bytesRead &+= UInt64(count)
            }
        }
        hasNews = true
        answer.ended(isSuccess: isGood)
    }

    /// All that is asked for fails, and all that will be, until ``accept()``. A peer that is owed a
    /// reply which waits for transfers may serve nothing before it has it.
    func refuse() {
        isRefusing = true
        var failed = line[lineStart...].compactMap(\.answer)
        line.removeAll()
        lineStart = 0
        for (id, request) in sent {
            if let answer = request.answer { failed.append(answer) }
            sent[id]?.answer = nil
        }
        if !failed.isEmpty { hasNews = true }
        for answer in failed { answer.ended(isSuccess: false) }
    }

    func accept() { isRefusing = false }
}

/// A map without a descriptor, as an address space sees it.
///
/// Everything happens on the server's thread.
final class PeerWindow: RemoteMemory, @unchecked Sendable {
    private let requests: PeerRequests
    private let address: UInt64

    init(_ requests: PeerRequests, at address: UInt64) {
        self.requests = requests
        self.address = address
    }

    var maximumTransfer: Int { requests.transferLimit }

    func read(
        offset: UInt64, into buffer: UnsafeMutableRawBufferPointer, _ answer: RemoteAnswer
    ) {
        requests.add(address: address &+ offset, buffer, isWrite: false, answer)
    }

    func write(offset: UInt64, from buffer: UnsafeRawBufferPointer, _ answer: RemoteAnswer) {
        requests.add(
            address: address &+ offset, UnsafeMutableRawBufferPointer(mutating: buffer),
            isWrite: true, answer)
    }
}
