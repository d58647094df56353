import BlockHost
public import BlockIO
import Glibc
import GuestMemory
import VirtioBlock

/// Serves an image as a virtio block device to a virtual machine in another process, by the vhost-user
/// protocol (QEMU, docs/interop/vhost-user.rst). The front end is QEMU's `vhost-user-blk-pci`,
/// cloud-hypervisor, or a program with libblkio.
///
/// **Threads.** ``run(until:frontEndDisconnected:)`` sleeps in epoll(7) over the socket, and serves its messages
/// on the calling thread. Each virtqueue has a thread of its own, which sleeps over the driver's kicks and the
/// completions of the image. While a guest runs, nothing goes through the socket.
///
/// **Memory.** The front end shares the memory of the guest by descriptor. Data goes between it and the image
/// without a copy.
///
/// **One front end at a time.** When a front end disconnects, the requests under way complete, its memory and its
/// descriptors are released, and the next front end can connect. It finds a device after a reset.
///
/// **Front ends are not trusted.** A wrong message is answered with an error or ends the connection; a wrong
/// ring is not looked at any more. Call `GuestRAM.surviveTruncation()` before, so that a front end cannot end
/// the program by making its memory shorter.
public final class VhostUserServer {
    private let device: VirtioBlockDevice
    private let options: VhostUserOptions
    private let memory: FrontEndMemory
    private let threads: [QueueThread]
    private let calls: CallCopies
    private let loop: EventLoop
    /// Signaled when a session has to look whether what it waits for has come.
    private let news: Event
    /// Without a socket when the server has one front end only.
    private var listener: PeerListener

    private var session: VhostUserSession?
    /// Whether the socket of the session is in the loop.
    private var isWatched = false
    private var former: UInt64 = 0
    private var frontEndDisconnected: () -> Void = {}

    // MARK: Making a server

    /// A server that listens at `path`, a pathname in UTF-8.
    public convenience init(
        listeningAt path: String, image: BlockImage, options: VhostUserOptions = VhostUserOptions()
    ) throws(VhostUserError) {
        try self.init(listeningAt: Array(path.utf8), image: image, options: options)
    }

    /// A server that listens at `path`: the bytes of a pathname in any encoding, without a terminating zero.
    /// A socket at that path is replaced if no process listens at it; anything else at that path is an error.
    public convenience init(
        listeningAt path: [UInt8], image: BlockImage,
        options: VhostUserOptions = VhostUserOptions()
    ) throws(VhostUserError) {
        try self.init(
            image: image, options: options, queue: QueueOptions()
        ) { () throws(SystemCallError) in try PeerListener(listeningAt: path) }
    }

    /// A server on a socket of the caller's, which it closes: one that listens, or one that is connected to
    /// the only front end.
    public convenience init(
        socket: CInt, image: BlockImage, options: VhostUserOptions = VhostUserOptions()
    ) throws(VhostUserError) {
        try self.init(socket: socket, image: image, options: options, queue: QueueOptions())
    }

    /// A server with other options of its queues, for tests.
    package convenience init(
        socket: CInt, image: BlockImage, options: VhostUserOptions, queue: QueueOptions
    ) throws(VhostUserError) {
        try self.init(image: image, options: options, queue: queue) { PeerListener(socket) }
    }

    private init(
        image: BlockImage, options: VhostUserOptions, queue queueOptions: QueueOptions,
        _ makeListener: () throws(SystemCallError) -> PeerListener
    ) throws(VhostUserError) {
        try options.validate()
        let device = try ofDevice { () throws(VirtioError) in
            // There is no one who could resume a request that a policy keeps.
            try VirtioBlockDevice(
                image, queueCount: options.queueCount,
                VirtioBlockOptions(
                    serial: options.serial, maximumQueueSize: options.queueSize,
                    isWriteCacheOn: options.isWriteCacheOn, writeErrorPolicy: .report))
        }
        let space = try ofMemory { () throws(GuestMemoryError) in try AddressSpace() }
        let loop = try host { () throws(SystemCallError) in try EventLoop() }
        let news = try host { () throws(SystemCallError) in try Event() }
        let calls = CallCopies()
        var threads: [QueueThread] = []
        var listener: PeerListener
        var connected: CInt = -1
        do throws(VhostUserError) {
            for _ in 0..<options.queueCount {
                threads.append(
                    try Self.thread(device, space, queueOptions, options, news: news, calls))
            }
            listener = try host(makeListener)
            do throws(SystemCallError) {
                let isListening = try StreamSocket.isListening(listener.socket)
                try loop.add(news.descriptor)
                if isListening {
                    // Another process that has it may take the peer that this one was woken for.
                    try StreamSocket.setNonblocking(listener.socket)
                    try listener.watch(true, in: loop)
                } else {
                    connected = listener.socket
                    listener = PeerListener(-1)
                }
            } catch {
                listener.close()
                throw VhostUserError(error)
            }
        } catch {
            for thread in threads { thread.end() }
            news.close()
            throw error
        }
        self.device = device
        self.options = options
        self.threads = threads
        self.calls = calls
        self.loop = loop
        self.news = news
        self.listener = listener
        memory = FrontEndMemory(space, news: news)
        if connected >= 0 {
            session = VhostUserSession(connected, device, threads, memory, options)
            try attend()
        }
    }

    private static func thread(
        _ blockDevice: VirtioBlockDevice, _ space: AddressSpace, _ queueOptions: QueueOptions,
        _ options: VhostUserOptions, news: Event, _ calls: CallCopies
    ) throws(VhostUserError) -> QueueThread {
        let (seconds, attoseconds) = options.pollLimit.components
        let pollLimit = UInt64(seconds) * 1_000_000_000 + UInt64(attoseconds) / 1_000_000_000
        return try QueueThread(calls) { (wake) throws(VhostUserError) in
            let queue = try ofImage { () throws(BlockError) in
                try BlockQueue(blockDevice.image, queueOptions)
            }
            let ring = try ofDevice { () throws(VirtioError) in
                try VirtioBlockQueue(blockDevice, queue, on: space) { wake.raise() }
            }
            return try host { () throws(SystemCallError) in
                try ServedQueue(ring, space, wake, news: news, pollLimit: pollLimit)
            }
        }
    }

    deinit {
        finish()
        for thread in threads { thread.end() }
        news.close()
        listener.close()
    }

    // MARK: State

    /// Whether a front end is connected, or its last requests are under way.
    public var isConnected: Bool { session != nil }

    /// Counters over all front ends.
    public var statistics: VhostUserStatistics {
        var sum = VhostUserStatistics()
        sum.messages = former &+ (session?.messages ?? 0)
        for thread in threads {
            let part = thread.run { queue -> VhostUserStatistics in
                var part = VhostUserStatistics()
                queue.add(to: &part)
                return part
            }
            sum.add(part)
        }
        return sum
    }

    /// Changes the size of the image to `size` bytes, and tells the front end. Waits for that, and for the
    /// writes under way. The same errors as of `BlockQueue.resizeAndWait` are thrown as ``VhostUserError/device(_:)``.
    public func resize(to size: UInt64) throws(VhostUserError) {
        let failure = threads[0].run { queue -> VirtioError? in
            do throws(VirtioError) {
                try queue.resize(to: size)
                return nil
            } catch {
                return error
            }
        }
        if let failure { throw .device(failure) }
        noteSize()
    }

    /// Tells the front end if the size of the image has changed.
    private func noteSize() {
        if device.noteSize() { session?.sendConfigurationChange() }
    }

    // MARK: The loop

    /// Serves front ends until `termination` is readable, or until the only one has disconnected.
    /// `frontEndDisconnected` is called when a front end has disconnected and its requests have completed.
    public func run(
        until termination: CInt, frontEndDisconnected: @escaping () -> Void = {}
    ) throws(VhostUserError) {
        try run(
            until: termination, watching: [], ready: { _ in },
            frontEndDisconnected: frontEndDisconnected)
    }

    /// The same, for a program with descriptors of its own: `ready` is called with each of `others` while it is
    /// readable.
    public func run(
        until termination: CInt, watching others: [CInt], ready: (CInt) -> Void,
        frontEndDisconnected: @escaping () -> Void = {}
    ) throws(VhostUserError) {
        self.frontEndDisconnected = frontEndDisconnected
        for descriptor in [termination] + others {
            try host { () throws(SystemCallError) in try loop.add(descriptor) }
        }
        defer {
            for descriptor in [termination] + others { loop.remove(descriptor) }
            self.frontEndDisconnected = {}
        }
        var isOver = false
        while !isOver && (listener.isListening || session != nil) {
            try turn(milliseconds: -1) { descriptor in
                if descriptor == termination { isOver = true } else { ready(descriptor) }
            }
        }
    }

    /// Waits at most `milliseconds` (-1 is no limit) for an event, and handles all events that are there.
    public func turn(milliseconds: CInt) throws(VhostUserError) {
        try turn(milliseconds: milliseconds) { _ in }
    }

    private func turn(
        milliseconds: CInt, _ other: (CInt) -> Void
    ) throws(VhostUserError) {
        var mustAccept = false
        // What is logged moves to the front end's log from time to time, and the threads that the session waits for may
        // need help (`CallCopies`).
        let interval = CInt(QueueThread.patience)
        let isLimited = session.map { $0.isWaiting || $0.isLogging } ?? false
        let milliseconds = listener.limited(
            isLimited && !(0...interval).contains(milliseconds) ? interval : milliseconds)
        try host { () throws(SystemCallError) in
            try loop.wait(milliseconds) { descriptor in
                if descriptor == news.descriptor {
                    news.clear()
                } else if descriptor == session?.socket {
                    session?.serve()
                } else if descriptor == listener.socket {
                    mustAccept = true
                } else {
                    other(descriptor)
                }
            }
        }
        session?.goOn()
        if session?.isWaiting ?? false { calls.makeRoom() }
        session?.moveLog()
        noteSize()
        try host { () throws(SystemCallError) in try listener.endDeferral(in: loop) }
        if mustAccept, session == nil, let socket = listener.accept(in: loop) {
            session = VhostUserSession(socket, device, threads, memory, options)
        }
        try attend()
    }

    /// After each event: updates what is watched.
    private func attend() throws(VhostUserError) {
        if let session, session.isOver {
            endSession(session)
            try host { () throws(SystemCallError) in try listener.watch(true, in: loop) }
            return frontEndDisconnected()
        }
        guard let session, session.isListening != isWatched else { return }
        if session.isListening {
            try host { () throws(SystemCallError) in
                try loop.add(session.socket)
                try listener.watch(false, in: loop)
            }
        } else {
            loop.remove(session.socket)
        }
        isWatched = session.isListening
    }

    private func endSession(_ session: VhostUserSession) {
        if isWatched { loop.remove(session.socket) }
        isWatched = false
        former &+= session.messages
        close(session.socket)
        self.session = nil
    }

    /// Disconnects the front end, if there is one, and waits until its requests have completed.
    public func disconnect() throws(VhostUserError) {
        session?.end()
        try attend()
        while session != nil { try turn(milliseconds: -1) }
    }

    /// As ``disconnect()``, for a server that goes.
    private func finish() {
        guard let session else { return }
        session.end()
        while !session.isOver {
            _ = news.wait(.nanoseconds(Int64(QueueThread.patience) * 1_000_000))
            news.clear()
            session.goOn()
            calls.makeRoom()
        }
        endSession(session)
    }
}

// Errors of what a server uses become errors of the server.

private func host<Result: ~Copyable>(
    _ body: () throws(SystemCallError) -> Result
) throws(VhostUserError) -> Result {
    do throws(SystemCallError) {
        return try body()
    } catch {
        throw VhostUserError(error)
    }
}

private func ofDevice<Result>(
    _ body: () throws(VirtioError) -> Result
) throws(VhostUserError) -> Result {
    do throws(VirtioError) {
        return try body()
    } catch {
        throw .device(error)
    }
}

private func ofImage<Result>(
    _ body: () throws(BlockError) -> Result
) throws(VhostUserError) -> Result {
    do throws(BlockError) {
        return try body()
    } catch {
        throw .device(.image(error))
    }
}

private func ofMemory<Result>(
    _ body: () throws(GuestMemoryError) -> Result
) throws(VhostUserError) -> Result {
    do throws(GuestMemoryError) {
        return try body()
    } catch {
        throw .device(.memory(error))
    }
}
