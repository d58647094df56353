import BlockHost
public import BlockPCI
import Glibc

/// Serves a PCI function to a virtual machine in another process, by the vfio-user protocol (QEMU,
/// docs/interop/vfio-user.rst): QEMU's `vfio-user-pci` is such a peer. While there is a server, the
/// function's interrupt pin leads to it. The device behind the function must live as long.
///
/// **One thread.** ``run(until:peerDisconnected:)`` sleeps in epoll(7) over the socket, the peer's eventfds and the
/// function's descriptors, and everything happens on its thread: register accesses, completions,
/// interrupts.
///
/// **One peer at a time.** When a peer disconnects, its memory and its eventfds are released, the function
/// keeps its state ("Client Disconnection"), and the next peer can connect.
///
/// **Memory.** Memory that a peer maps with a descriptor becomes guest RAM in the memory of the function's bus,
/// and DMA reaches it without a copy. Memory that a peer maps without a descriptor is reached by
/// messages. The reply to DMA_UNMAP is sent when no transfer holds the memory any more; other
/// messages are served meanwhile.
///
/// **Peers are not trusted.** A wrong message is answered with an error or ends the connection. Call
/// `GuestRAM.surviveTruncation()` before, so that a peer cannot end the program by making its
/// memory shorter.
public final class VFIOUserServer {
    private let function: PCIFunction
    private let line = InterruptLine()
    private let loop: EventLoop
    /// Without a socket when the server has one peer only.
    private var listener: PeerListener
    private let functionDescriptors: Set<CInt>

    private var session: VFIOUserSession?
    private var watched = EpollSet.Interest()
    private var watchedUnmask: CInt = -1
    private var former = VFIOUserStatistics()
    private var peerDisconnected: () -> Void = {}

    /// A server that listens at `path`, a pathname in UTF-8.
    public convenience init(
        listeningAt path: String, function: PCIFunction
    ) throws(VFIOUserError) {
        try self.init(listeningAt: Array(path.utf8), named: path, function: function)
    }

    /// A server that listens at `path`: the bytes of a pathname in any encoding, without a
    /// terminating zero. Error messages call it `name`. A socket at that path is replaced if no
    /// process listens at it; anything else at that path is an error.
    public init(
        listeningAt path: [UInt8], named name: String, function: PCIFunction
    ) throws(VFIOUserError) {
        let loop = try host { () throws(SystemCallError) in try EventLoop() }
        do throws(SystemCallError) {
            listener = try PeerListener(listeningAt: path)
        } catch {
            throw VFIOUserError("listen at \(name)", error.errno)
        }
        self.loop = loop
        self.function = function
        functionDescriptors = Set(function.descriptors)
        try host { () throws(SystemCallError) in try listener.watch(true, in: self.loop) }
        try attach()
    }

    /// A server for one peer that is connected already. The server owns the socket, and closes it.
    public init(
        connectedTo socket: CInt, function: PCIFunction
    ) throws(VFIOUserError) {
        listener = PeerListener(-1)
        self.function = function
        functionDescriptors = Set(function.descriptors)
        loop = try host { () throws(SystemCallError) in try EventLoop() }
        try attach()
        try begin(socket)
    }

    private func attach() throws(VFIOUserError) {
        for descriptor in functionDescriptors { try watch(descriptor) }
        line.unmaskEventWillClose = { [unowned self] event in
            guard event == watchedUnmask else { return }
            loop.remove(event)
            watchedUnmask = -1
        }
        line.set(isRaised: function.isInterruptRaised)
        function.interruptReceiver = line
    }

    private func watch(_ descriptor: CInt) throws(VFIOUserError) {
        try host { () throws(SystemCallError) in try loop.add(descriptor) }
    }

    deinit {
        line.unmaskEventWillClose = { _ in }
        if let session { session.end() }
        listener.close()
    }

    /// Whether a peer is connected.
    public var isConnected: Bool { session != nil }

    /// Counters over all peers.
    public var statistics: VFIOUserStatistics {
        var sum = former
        if let session { sum.add(session) }
        sum.interrupts = line.rises
        sum.signals = line.signals
        return sum
    }

    // MARK: The loop

    /// Serves peers until `termination` is readable. `peerDisconnected` is called when a peer has
    /// disconnected.
    public func run(
        until termination: CInt, peerDisconnected: @escaping () -> Void = {}
    ) throws(VFIOUserError) {
        self.peerDisconnected = peerDisconnected
        try watch(termination)
        defer {
            loop.remove(termination)
            self.peerDisconnected = {}
        }
        var isOver = false
        while !isOver {
            try turn(milliseconds: -1) { if $0 == termination { isOver = true } }
        }
    }

    /// Waits at most `milliseconds` (-1 is no limit) for an event, and handles all events that are
    /// there.
    public func turn(milliseconds: CInt) throws(VFIOUserError) {
        try turn(milliseconds: milliseconds) { _ in }
    }

    private func turn(
        milliseconds: CInt, _ other: (CInt) -> Void
    ) throws(VFIOUserError) {
        var mustPoll = false
        var mustAccept = false
        try host { () throws(SystemCallError) in
            try loop.wait(listener.limited(milliseconds)) { descriptor in
                if descriptor == session?.socket {
                    session?.serve()
                } else if descriptor == listener.socket {
                    mustAccept = true
                } else if descriptor == line.unmaskEvent {
                    line.unmaskEventCame()
                } else if functionDescriptors.contains(descriptor) {
                    mustPoll = true
                } else {
                    other(descriptor)
                }
            }
        }
        if mustPoll { function.poll() }
        try host { () throws(SystemCallError) in try listener.endDeferral(in: loop) }
        if mustAccept, session == nil, let socket = listener.accept(in: loop) { try begin(socket) }
        try attend()
    }

    /// After each event: sends the replies that are due, and updates what is watched.
    private func attend() throws(VFIOUserError) {
        guard let session else { return }
        session.takeNews()
        session.sendLateReplies()
        session.flush()
        if session.isOver { return try endSession() }
        let interest = EpollSet.Interest(
            readable: session.isListening, writable: session.isBehind)
        if interest != watched {
            try host { () throws(SystemCallError) in
                try loop.change(session.socket, to: interest)
            }
            watched = interest
        }
        if line.unmaskEvent != watchedUnmask {
            try watch(line.unmaskEvent)
            watchedUnmask = line.unmaskEvent
        }
    }

    // MARK: Peers

    private func begin(_ socket: CInt) throws(VFIOUserError) {
        session = VFIOUserSession(socket, function, line)
        watched = EpollSet.Interest()
        try host { () throws(SystemCallError) in
            try listener.watch(false, in: loop)
            try loop.add(socket)
        }
    }

    private func endSession() throws(VFIOUserError) {
        guard let session else { return }
        loop.remove(session.socket)
        former.add(session)
        session.end()
        function.poll()
        self.session = nil
        try host { () throws(SystemCallError) in try listener.watch(true, in: loop) }
        peerDisconnected()
    }

    /// Disconnects the peer, if there is one.
    public func disconnect() {
        session?.hangUp()
        try? attend()
    }
}

/// Turns an error of the host into an error of the server.
private func host<Result: ~Copyable>(
    _ body: () throws(SystemCallError) -> Result
) throws(VFIOUserError) -> Result {
    do throws(SystemCallError) {
        return try body()
    } catch {
        throw VFIOUserError(error.call, error.errno)
    }
}
