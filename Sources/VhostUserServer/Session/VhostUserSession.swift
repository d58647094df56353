import BlockHost
import Glibc
import GuestMemory
import VirtioBlock

/// One front end, from its connection to its end: takes its messages, in order, and answers them.
///
/// The device, the threads of its queues and the memory they use belong to the server, and outlive the
/// front end. A message that has to wait for requests under way is answered later (``Wait``); as answers
/// have the order of the messages, no other message is looked at before.
final class VhostUserSession {
    /// What the session waits for before it looks at the next message.
    enum Wait {
        /// The ring has no request under way any more; the reply is its base.
        case ringBase(Int, VhostUserHeader)
        /// No ring has a request under way, so that memory can be taken away.
        case pause(MemoryChange, VhostUserHeader)
        /// The memory is used no more.
        case release(MemoryRelease, VhostUserHeader)
        /// No ring has a request under way any more.
        case reset(VhostUserHeader)
        /// The front end has gone: first the rings stop, then the memory goes.
        case end(MemoryRelease?)
    }

    /// How a message is answered.
    enum Answer {
        /// With an acknowledgement, if the front end wants one.
        case acknowledgement
        /// It has been sent.
        case sent
        /// Later.
        case later(Wait)
    }

    let socket: CInt
    let device: VirtioBlockDevice
    let threads: [QueueThread]
    let memory: FrontEndMemory
    let options: VhostUserOptions
    let reader: MessageReader
    var rings: [RingSetup]

    /// Bits of ``VhostUser/Feature`` and of the device that the front end has accepted.
    var features: UInt64 = 0
    /// Bits of ``VhostUser/ProtocolFeature`` that the front end has accepted.
    var protocolFeatures: UInt64 = 0
    /// Where requests under way are recorded.
    var inflight: InflightRegion?
    /// Where written pages are logged, while the front end wants that.
    var log: MigrationLog?
    /// For messages to the front end; -1 when there is none.
    var backEndSocket: CInt = -1

    private(set) var messages: UInt64 = 0
    /// Nothing is left of the front end.
    private(set) var isOver = false
    private var wait: Wait?
    /// The last message of this front end has been looked at.
    private var isEnding = false

    /// How many messages of one front end are looked at before other events are.
    private static let turn = 64

    /// Takes over the socket. The rings of the threads are stopped.
    init(
        _ socket: CInt, _ device: VirtioBlockDevice, _ threads: [QueueThread],
        _ memory: FrontEndMemory, _ options: VhostUserOptions
    ) {
        self.socket = socket
        self.device = device
        self.threads = threads
        self.memory = memory
        self.options = options
        reader = MessageReader(vhostUser: socket)
        rings = Array(repeating: RingSetup(), count: threads.count)
    }

    /// Whether something has to come before the session goes on.
    var isWaiting: Bool { wait != nil }

    /// Whether messages are looked at.
    var isListening: Bool { wait == nil && !isOver }

    // MARK: Messages

    /// Serves what has come.
    func serve() {
        for _ in 0..<Self.turn {
            guard isListening else { return }
            switch reader.receive() {
            case .message:
                messages &+= 1
                serveMessage()
            case .incomplete: return
            case .end, .unusable: end()
            }
        }
    }

    private func serveMessage() {
        let header = VhostUserHeader(reader.headerBytes)
        guard header.isRequest, !reader.hasLostDescriptors else { return end() }
        do throws(Refusal) {
            switch try serve(header, reader.body) {
            case .acknowledgement: acknowledge(header)
            case .sent: break
            case .later(let event): wait(for: event)
            }
        } catch {
            refuse(header, error)
        }
    }

    private func serve(_ header: VhostUserHeader, _ body: MessageBody) throws(Refusal) -> Answer {
        switch header.request {
        case VhostUser.Request.getFeatures: reply(header, offeredFeatures)
        case VhostUser.Request.setFeatures: try setFeatures(body)
        case VhostUser.Request.getProtocolFeatures:
            reply(header, VhostUser.ProtocolFeature.offered)
        case VhostUser.Request.setProtocolFeatures: try setProtocolFeatures(body)
        case VhostUser.Request.getQueueCount: reply(header, UInt64(threads.count))
        // There is one front end at a time.
        case VhostUser.Request.setOwner: .acknowledgement
        // "VHOST_USER_RESET_OWNER": the effect is that of a reset, which newer front ends send.
        case VhostUser.Request.resetOwner, VhostUser.Request.resetDevice: reset(header)
        case VhostUser.Request.setMemoryTable: try setMemoryTable(header, body)
        case VhostUser.Request.getMemorySlots:
            reply(header, UInt64(VhostUser.Limit.memorySlots))
        case VhostUser.Request.addMemoryRegion: try addMemoryRegion(header, body)
        case VhostUser.Request.removeMemoryRegion: try removeMemoryRegion(header, body)
        case VhostUser.Request.setRingSize: try setRingSize(body)
        case VhostUser.Request.setRingAddresses: try setRingAddresses(body)
        case VhostUser.Request.setRingBase: try setRingBase(body)
        case VhostUser.Request.getRingBase: try getRingBase(header, body)
        case VhostUser.Request.setKick: try setKick(body)
        case VhostUser.Request.setCall: try setCall(body)
        case VhostUser.Request.setError: try setError(body)
        case VhostUser.Request.setRingEnabled: try setRingEnabled(body)
        case VhostUser.Request.getConfiguration: getConfiguration(header, body)
        case VhostUser.Request.setConfiguration: try setConfiguration(body)
        case VhostUser.Request.getInflight: try getInflight(header, body)
        case VhostUser.Request.setInflight: try setInflight(body)
        case VhostUser.Request.setBackEndSocket: try setBackEndSocket()
        case VhostUser.Request.setLogBase: try setLogBase(header, body)
        default: throw Refusal(ENOSYS)
        }
    }

    // MARK: Answers

    /// Sends a message; a front end that does not take it is disconnected.
    func send(_ writer: ReplyWriter, descriptor: CInt? = nil) {
        if !writer.send(socket, descriptor: descriptor) { end() }
    }

    /// Replies with a number, as most messages want it.
    func reply(_ header: VhostUserHeader, _ value: UInt64) -> Answer {
        var writer = ReplyWriter(header.request, flags: VhostUser.HeaderFlags.reply)
        writer.put(value)
        send(writer)
        return .sent
    }

    /// Whether the front end waits for an acknowledgement ("VHOST_USER_PROTOCOL_F_REPLY_ACK").
    private func wantsAcknowledgement(_ header: VhostUserHeader) -> Bool {
        header.needsReply
            && protocolFeatures & VhostUser.ProtocolFeature.replyAcknowledgement != 0
    }

    func acknowledge(_ header: VhostUserHeader) {
        if wantsAcknowledgement(header) { _ = reply(header, 0) }
    }

    /// A front end that asked for no acknowledgement would go on as if nothing had happened.
    func refuse(_ header: VhostUserHeader, _ refusal: Refusal) {
        guard wantsAcknowledgement(header) else { return end() }
        _ = reply(header, UInt64(UInt32(bitPattern: refusal.errno)))
    }

    // MARK: Waiting

    /// Waits, and looks at once whether that has come already.
    func wait(for event: Wait) {
        wait = event
        goOn()
    }

    /// Looks whether what the session waits for has come, and goes on then.
    func goOn() {
        switch wait {
        case nil: return
        case .ringBase(let index, let header):
            guard let base = stoppedBase(index) else { return }
            wait = nil
            replyWithBase(header, index, base)
        case .pause(let change, let header):
            guard arePausedRingsStopped else { return }
            wait = nil
            make(change, header)
        case .release(let release, let header):
            guard release.isDone else { return }
            wait = nil
            moveLog(of: release)
            resumeRings()
            acknowledge(header)
        case .reset(let header):
            guard areAllStopped else { return }
            wait = nil
            setLogging(false)
            forgetRings()
            device.reset()
            acknowledge(header)
        case .end(nil):
            guard areAllStopped else { return }
            setLogging(false)
            // What cannot be taken away now goes with the next try, when transfers have let go of maps.
            guard let release = try? memory.make(memory.removalOfAll) else { return }
            for thread in threads { thread.nudge() }
            wait = .end(release)
            goOn()
        case .end(let release?):
            guard release.isDone else { return }
            wait = nil
            for thread in threads { thread.forgetCall() }
            device.reset()
            isOver = true
        }
    }

    /// Ends the connection. Requests under way complete, and then the memory of the front end is unmapped.
    func end() {
        guard !isEnding else { return }
        isEnding = true
        shutdown(socket, CInt(SHUT_RDWR))
        if backEndSocket >= 0 { close(backEndSocket) }
        backEndSocket = -1
        for index in rings.indices { disconnectRing(index) }
        wait = .end(nil)
        goOn()
    }
}
