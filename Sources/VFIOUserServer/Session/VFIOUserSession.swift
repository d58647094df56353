import BlockHost
import BlockPCI
import Glibc

/// One peer, from its connection to its end: takes its messages, in order, and answers them.
///
/// An answer that has to wait for transfers to end is sent later, and the messages behind it are
/// served meanwhile. The function and its state belong to the server and outlive the peer
/// ("Client Disconnection").
final class VFIOUserSession {
    typealias Refusal = PeerMemory.Refusal

    let socket: CInt
    let function: PCIFunction
    let line: InterruptLine
    let memory: PeerMemory
    let reader: MessageReader
    let writer: MessageWriter
    /// What was asked of the peer.
    let requests: PeerRequests

    /// Whether versions have been exchanged, which is what a peer begins with.
    var isNegotiated = false
    /// Set when there is no point in going on.
    private(set) var isOver = false
    private(set) var messages: UInt64 = 0

    /// Replies to DMA_UNMAP that wait for transfers to let go of the memory.
    var unmaps: [(header: MessageHeader, region: UnmappedRegion, release: PeerMemory.Release)] = []
    /// Replies to DEVICE_RESET that wait for the function to be quiet.
    var resets: [MessageHeader] = []

    /// A peer that sends much is left for a while after so many messages.
    private static let turn = 64
    /// So many resets may wait for their reply.
    static let mostResets = 64

    /// Takes over the socket.
    init(_ socket: CInt, _ function: PCIFunction, _ line: InterruptLine) {
        self.socket = socket
        self.function = function
        self.line = line
        memory = PeerMemory(function.bus.memory)
        reader = MessageReader(socket)
        writer = MessageWriter(socket)
        requests = PeerRequests(writer)
    }

    /// Ends the connection and gives back what was the peer's. Transfers under way keep the memory
    /// they use to their end.
    func end() {
        isOver = true
        requests.refuse()
        line.disconnect()
        // What cannot be taken away now, for want of room for another map, goes with the next try.
        while (try? memory.removeAll()) == nil { function.poll() }
        close(socket)
    }

    /// There is to be no more of it.
    func hangUp() { isOver = true }

    /// What the peer is asked for fails until it has the replies that wait.
    func refuseRequests() {
        requests.refuse()
        leaveIfSilent()
    }

    /// A peer that does not answer what it was asked for is not one to go on with: to be called when
    /// requests have been given up.
    func leaveIfSilent() {
        if requests.givenUp > VFIOUser.Limit.givenUp { hangUp() }
    }

    /// Whether the peer has not taken everything that was sent to it.
    var isBehind: Bool { writer.backlog > 0 }

    /// Whether the peer's messages are looked at: one that does not take its replies has to, first.
    var isListening: Bool { writer.backlog <= VFIOUser.Limit.backlog }

    // MARK: Messages

    /// Serves what has come, and sends what can be sent.
    func serve() {
        flush()
        for _ in 0..<Self.turn {
            if isOver || !isListening { return }
            switch reader.receive() {
            case .message:
                messages &+= 1
                serveMessage()
                takeNews()
                sendLateReplies()
                flush()
            case .incomplete: return
            case .end: isOver = true
            case .unusable:
                refuse(reader.header, EMSGSIZE)
                flush()
                isOver = true
            }
        }
    }

    func flush() {
        if !writer.flush() { isOver = true }
    }

    /// Tells the function of answers: before the next message, so that what follows an answer finds
    /// it taken in.
    func takeNews() {
        while requests.hasNews {
            requests.hasNews = false
            function.poll()
        }
    }

    private func serveMessage() {
        let header = reader.header
        if header.isReply { return requests.answered(header, reader.body) }
        do throws(Refusal) {
            guard header.isCommand else { throw Refusal(EINVAL) }
            guard !reader.hasLostDescriptors else { throw Refusal(EMFILE) }
            try serve(header, reader.body)
        } catch {
            refuse(header, error.errno)
            // Without a version in common there is nothing to talk about.
            if header.command == VFIOUser.Command.version && !isNegotiated {
                flush()
                isOver = true
            }
        }
    }

    private func serve(_ header: MessageHeader, _ body: MessageBody) throws(Refusal) {
        if header.command == VFIOUser.Command.version {
            return try exchangeVersions(header, body)
        }
        guard isNegotiated else { throw Refusal(EINVAL) }
        switch header.command {
        case VFIOUser.Command.dmaMap: try map(header, body)
        case VFIOUser.Command.dmaUnmap: try unmap(header, body)
        case VFIOUser.Command.deviceGetInfo: try getInfo(header, body)
        case VFIOUser.Command.deviceGetRegionInfo: try getRegionInfo(header, body)
        case VFIOUser.Command.deviceGetIRQInfo: try getIRQInfo(header, body)
        case VFIOUser.Command.deviceSetIRQs: try setIRQs(header, body)
        case VFIOUser.Command.regionRead: try readRegion(header, body)
        case VFIOUser.Command.regionWrite: try writeRegion(header, body)
        case VFIOUser.Command.deviceReset: try reset(header, body)
        case VFIOUser.Command.deviceFeature: try serveFeature(header, body)
        default: throw Refusal(EINVAL)
        }
    }

    // MARK: Replies

    /// Replies to a command; `body` puts what follows the header.
    func reply(_ header: MessageHeader, _ body: (MessageWriter) -> Void = { _ in }) {
        if header.wantsNoReply { return }
        writer.begin(
            MessageHeader(
                id: header.id, command: header.command, flags: VFIOUser.HeaderFlags.reply))
        body(writer)
        writer.end()
    }

    /// Replies with an error; such a reply has a header only.
    func refuse(_ header: MessageHeader, _ errno: CInt) {
        if header.wantsNoReply { return }
        writer.begin(
            MessageHeader(
                id: header.id, command: header.command,
                flags: VFIOUser.HeaderFlags.reply | VFIOUser.HeaderFlags.error,
                error: UInt32(bitPattern: errno)))
        writer.end()
    }

    /// Sends the replies that have waited long enough.
    func sendLateReplies() {
        if unmaps.isEmpty && resets.isEmpty { return }
        unmaps.removeAll { entry in
            if entry.release.isDone { reply(entry.header, entry.region.put) }
            return entry.release.isDone
        }
        if !function.isBusy {
            for header in resets { reply(header) }
            resets.removeAll()
        }
        if unmaps.isEmpty && resets.isEmpty { requests.accept() }
        flush()
    }
}
