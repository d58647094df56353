import BlockHost
import GuestMemory

/// What this side asks of a peer: "VFIO_USER_DMA_READ" and "VFIO_USER_DMA_WRITE", for memory that came
/// without a descriptor.
///
/// Nothing here waits: an answer comes as a message among others, and ends the request.
///
/// **How much is outstanding.** At most ``VFIOUser/Limit/outstanding`` bytes, of data that was asked for or
/// sent, and ``VFIOUser/Limit/requests`` requests. A peer's answers to all of them fit into its socket
/// buffer, so it never has to wait for this side to read before it reads itself. The other requests stand
/// in line, and each answer sends the next ones.
///
/// **Turns.** Transfers take turns, one request each, so that a short transfer does not wait for all of a
/// long one. A request that does not fit is not overtaken by a shorter one.
///
/// **Requests given up.** ``refuse()`` and ``giveUp(_:)`` end requests that the peer may still answer. Their
/// identifiers stay taken until then, and they count as outstanding, but one request may always be sent:
/// when that is answered, the older ones are taken as forgotten and count no more.
final class PeerRequests {
    /// How many bytes one request may have. The peer may lower it.
    var transferLimit = VFIOUser.Limit.request
    /// Transfers have ended that the function does not know of yet.
    var hasNews = false
    /// Bytes that were read and written by message.
    private(set) var bytesRead: UInt64 = 0
    private(set) var bytesWritten: UInt64 = 0
    /// Requests that were given up and have not been answered.
    private(set) var givenUp = 0

    /// What a transfer has asked for and has no answer to.
    private final class Transfer {
        let answer: RemoteAnswer
        /// Transfers are numbered as they begin.
        let number: UInt64
        /// Not sent yet, in order.
        var waiting = FIFO<Request>()
        /// Sent and not answered.
        var outstanding = 0
        /// Given up, and the answer does not know yet.
        var failed = 0

        init(_ answer: RemoteAnswer, number: UInt64) {
            self.answer = answer
            self.number = number
        }
    }

    /// `@safe`, because a request that is given up is taken out of what is outstanding, and whoever
    /// touches the memory says so.
    @safe private struct Request {
        let address: GuestAddress
        /// Where the answer goes, or what is written. Not to be touched when the request is given up.
        let memory: UnsafeMutableRawBufferPointer
        let isWrite: Bool
        /// Whose memory it is.
        let window: ObjectIdentifier

        /// In bytes.
        var count: Int { unsafe memory.count }

        var command: UInt16 { isWrite ? VFIOUser.Command.dmaWrite : VFIOUser.Command.dmaRead }
    }

    /// A request that the peer has not answered.
    private struct Sent {
        let request: Request
        /// Requests are numbered as they are sent.
        let number: UInt64
        /// `nil` when it was given up.
        var transfer: Transfer?
        /// Whether it counts as outstanding.
        var counts = true
    }

    /// Requests and their bytes.
    private struct Amount {
        var requests = 0
        var bytes = 0

        mutating func add(_ request: Request) {
            requests += 1
            bytes += request.count
        }

        mutating func subtract(_ request: Request) {
            requests -= 1
            bytes -= request.count
        }
    }

    private let writer: MessageWriter
    /// By identifier.
    private var sent: [UInt16: Sent] = [:]
    /// Transfers that have requests, sent or not.
    private var transfers: [ObjectIdentifier: Transfer] = [:]
    /// Those of them with requests that are not sent. The first has its turn.
    private var turns = FIFO<Transfer>()
    private var outstanding = Amount()
    /// What of it was given up.
    private var forgotten = Amount()
    private var nextID: UInt16 = 0
    private var nextTransfer: UInt64 = 0
    private var nextRequest: UInt64 = 0
    private var isRefusing = false

    init(_ writer: MessageWriter) { self.writer = writer }

    func add(
        address: GuestAddress, _ memory: UnsafeMutableRawBufferPointer, isWrite: Bool,
        in window: PeerWindow, _ answer: RemoteAnswer
    ) {
        if isRefusing { return refuse(answer) }
        let transfer = transfer(of: answer)
        if transfer.waiting.isEmpty { turns.append(transfer) }
        unsafe transfer.waiting.append(
            Request(
                address: address, memory: memory, isWrite: isWrite,
                window: ObjectIdentifier(window)))
        send()
    }

    /// A request fails without being asked for.
    func refuse(_ answer: RemoteAnswer) {
        hasNews = true
        answer.requestCompleted(isSuccess: false)
    }

    private func transfer(of answer: RemoteAnswer) -> Transfer {
        let identity = ObjectIdentifier(answer)
        if let transfer = transfers[identity] { return transfer }
        let transfer = Transfer(answer, number: nextTransfer)
        nextTransfer &+= 1
        transfers[identity] = transfer
        return transfer
    }

    // MARK: Sending

    private func send() {
        while let transfer = turns.first, let request = transfer.waiting.first,
            hasRoom(for: request)
        {
            turns.removeFirst()
            transfer.waiting.removeFirst()
            if !transfer.waiting.isEmpty { turns.append(transfer) }
            send(request, of: transfer)
        }
    }

    /// One request may always be sent, so that those which the peer has forgotten block nothing.
    private func hasRoom(for request: Request) -> Bool {
        if outstanding.requests == forgotten.requests { return true }
        return outstanding.requests < VFIOUser.Limit.requests
            && outstanding.bytes + request.count <= VFIOUser.Limit.outstanding
    }

    private func send(_ request: Request, of transfer: Transfer) {
        // There is a free one: the session ends before many have been given up.
        while sent[nextID] != nil { nextID &+= 1 }
        writer.begin(
            MessageHeader(
                id: nextID, command: request.command, flags: VFIOUser.HeaderFlags.command))
        writer.put(request.address.rawValue)
        writer.put(UInt64(request.count))
        if request.isWrite { unsafe writer.put(UnsafeRawBufferPointer(request.memory)) }
        writer.end()
        sent[nextID] = Sent(request: request, number: nextRequest, transfer: transfer)
        nextID &+= 1
        nextRequest &+= 1
        transfer.outstanding += 1
        outstanding.add(request)
    }

    // MARK: Answers

    /// A reply has come. One that nobody asked for means nothing.
    func answered(_ header: MessageHeader, _ body: MessageBody) {
        guard let entry = sent[header.id], entry.request.command == header.command else { return }
        sent[header.id] = nil
        defer { send() }
        if entry.counts { outstanding.subtract(entry.request) }
        guard let transfer = entry.transfer else {
            givenUp -= 1
            if entry.counts { forgotten.subtract(entry.request) }
            return
        }
        forget(before: entry.number)
        transfer.outstanding -= 1
        dropIfDone(transfer)
        transfer.answer.requestCompleted(isSuccess: take(header, body, for: entry.request))
    }

    /// Whether it is a good answer, whose data has been taken then.
    private func take(
        _ header: MessageHeader, _ body: MessageBody, for request: Request
    ) -> Bool {
        let count = request.count
        guard !header.hasFailed, body.u64(0) == request.address.rawValue else { return false }
        if request.isWrite {
            // The specification has the count of this reply in 4 bytes, QEMU sends 8.
            guard body.u32(8) == UInt32(count) else { return false }
            bytesWritten &+= UInt64(count)
        } else {
            guard body.u64(8) == UInt64(count), body.count == 16 + count else { return false }
            unsafe request.memory.copyMemory(from: body.rest(16).bytes)
            bytesRead &+= UInt64(count)
        }
        return true
    }

    /// The peer has answered a request: it will not answer older ones that were given up.
    private func forget(before number: UInt64) {
        guard forgotten.requests > 0 else { return }
        for (id, entry) in sent where entry.transfer == nil && entry.counts && entry.number < number
        {
            sent[id]?.counts = false
            outstanding.subtract(entry.request)
            forgotten.subtract(entry.request)
        }
    }

    // MARK: Giving up

    /// All that is asked for fails, and all that will be, until ``accept()``. A peer that is owed a
    /// reply which waits for transfers may serve nothing before it has it.
    func refuse() {
        isRefusing = true
        let failed = transfers.values.sorted { $0.number < $1.number }
        transfers.removeAll()
        turns = FIFO()
        for (id, entry) in sent where entry.transfer != nil { giveUp(id, entry) }
        if !failed.isEmpty { hasNews = true }
        for transfer in failed {
            for _ in 0..<transfer.waiting.count + transfer.outstanding {
                transfer.answer.requestCompleted(isSuccess: false)
            }
        }
    }

    func accept() { isRefusing = false }

    /// All that is asked for of some maps fails. Other requests of the same transfers go on.
    func giveUp(_ windows: Set<ObjectIdentifier>) {
        for (id, entry) in sent where windows.contains(entry.request.window) {
            guard let transfer = entry.transfer else { continue }
            giveUp(id, entry)
            transfer.outstanding -= 1
            transfer.failed += 1
        }
        for transfer in transfers.values.sorted(by: { $0.number < $1.number }) {
            let count = transfer.waiting.count
            transfer.waiting.removeAll { windows.contains($0.window) }
            let failed = transfer.failed + count - transfer.waiting.count
            transfer.failed = 0
            guard failed > 0 else { continue }
            dropIfDone(transfer)
            for _ in 0..<failed { transfer.answer.requestCompleted(isSuccess: false) }
        }
        turns.removeAll { $0.waiting.isEmpty }
        send()
    }

    private func giveUp(_ id: UInt16, _ entry: Sent) {
        sent[id]?.transfer = nil
        givenUp += 1
        forgotten.add(entry.request)
    }

    /// The function hears of a transfer that has all its answers.
    private func dropIfDone(_ transfer: Transfer) {
        guard transfer.outstanding == 0, transfer.waiting.isEmpty else { return }
        transfers[ObjectIdentifier(transfer.answer)] = nil
        hasNews = true
    }
}
