import BlockHost
import BlockIO
import Glibc
@testable import TestSupport

/// A back end of the tests' own, as a remote one will be: a thread of its own does what the engine asks, on
/// bytes in memory, and tells the engine when it has. What it says of itself, and what it answers, can be
/// false.
final class MemoryBackEnd: BackEnd, @unchecked Sendable {
    /// What it says, which a test may change while it is in use.
    struct Claims {
        var size: UInt64
        var alignment = HostAlignment(memory: 1, offset: 512)
        /// What opening an engine fails with.
        var refusal: BlockError?
        /// An answer in the place of the true one, without effect; `nil` is the true one.
        var answer: (@Sendable (EngineSubmission) -> Int64?)?
    }

    let name: String
    let isDirect: Bool
    let capabilities: BlockImage.Capabilities
    let bytes: UnsafeMutableRawBufferPointer
    let claims: Locked<Claims>

    init(
        size: Int, name: String = "memory", isDirect: Bool = true,
        capabilities: BlockImage.Capabilities = [.write, .flush, .discard, .writeZeroes]
    ) {
        self.name = name
        self.isDirect = isDirect
        self.capabilities = capabilities
        claims = Locked(Claims(size: UInt64(size)))
        bytes = .allocate(byteCount: size, alignment: 4096)
        memset(bytes.baseAddress!, 0, size)
    }

    deinit { bytes.deallocate() }

    var size: UInt64 { claims.withLock { $0.size } }
    var alignment: HostAlignment { claims.withLock { $0.alignment } }

    func openEngine(
        for image: BlockImage, _ options: QueueOptions
    ) throws(BlockError) -> any OpenEngine {
        if let refusal = claims.withLock({ $0.refusal }) { throw refusal }
        return EngineBox(try MemoryEngine(self, image: image, depth: options.depth))
    }

    /// The answer to a submission.
    fileprivate func answer(to submission: EngineSubmission) -> Int64 {
        if let answer = claims.withLock({ $0.answer }), let said = answer(submission) {
            return said
        }
        switch submission.kind {
        case .read, .write, .bufferedWrite:
            let end = Int(min(size, UInt64(bytes.count)))
            var place = Int(submission.position)
            for element in submission.list {
                let count = min(element.length, max(0, end - place))
                let inside = bytes.baseAddress! + place
                let isRead = submission.kind == .read
                let outcome = VolatileMemory.copy(
                    to: isRead ? element.base! : inside,
                    from: isRead ? inside : element.base!, count: count)
                if outcome == .lost { return -Int64(EFAULT) }
                place += count
            }
            return Int64(place) - Int64(submission.position)
        case .synchronize: return 0
        default: return -Int64(EOPNOTSUPP)
        }
    }
}

/// Gives submissions to a thread and takes their answers from it.
private struct MemoryEngine: ~Copyable, Engine {
    private let server: MemoryServer
    private let depth: Int
    private(set) var inFlight = 0

    init(_ backEnd: MemoryBackEnd, image: BlockImage, depth: Int) throws(BlockError) {
        do throws(SystemCallError) {
            server = try MemoryServer(backEnd)
        } catch {
            throw BlockError(
                .engineUnavailable, errno: error.errno, operation: .open, image: image.path)
        }
        self.depth = depth
    }

    var descriptor: CInt { server.event.descriptor }
    var wakeEvent: WakeEvent { .event(server.event) }

    mutating func submit(_ pending: inout RequestFIFO, answered: inout RequestFIFO) {
        while inFlight < depth, let request = pending.takeFirst() {
            inFlight += 1
            server.ask(request)
        }
    }

    mutating func reap(
        minimum: Int, limit: WaitLimit, pending: inout RequestFIFO, answered: inout RequestFIFO
    ) -> WaitEnd {
        submit(&pending, answered: &answered)
        var end = WaitEnd.normal
        if minimum > 0 && answered.isEmpty {
            switch server.event.wait(limit) {
            case .interrupted: end = .interrupted
            case .readable: end = .woken
            case .timedOut: break
            }
        }
        let before = answered.count
        server.collect(into: &answered)
        inFlight -= answered.count - before
        return answered.count > before ? .normal : end
    }

    mutating func cancel(_ request: RequestPointer) {}

    mutating func shutDown() { server.stop() }
}

/// The thread.
private final class MemoryServer: @unchecked Sendable {
    let event: Event
    private let backEnd: MemoryBackEnd
    private let lock = PthreadMutex()
    private let arrival = PthreadCondition()
    private let departure = PthreadCondition()
    private var asked: [RequestPointer] = []
    private var done: [RequestPointer] = []
    private var isStopping = false
    private var isGone = false

    init(_ backEnd: MemoryBackEnd) throws(SystemCallError) {
        event = try Event()
        self.backEnd = backEnd
        do throws(SystemCallError) {
            try HostThread.start(named: "test-memory") { self.serve() }
        } catch {
            event.close()
            throw error
        }
    }

    func ask(_ request: RequestPointer) {
        lock.lock()
        asked.append(request)
        lock.unlock()
        arrival.signal()
    }

    /// What has been done; the event becomes quiet.
    func collect(into answered: inout RequestFIFO) {
        lock.lock()
        defer { lock.unlock() }
        event.clear()
        for request in done { answered.append(request) }
        done.removeAll()
    }

    func stop() {
        lock.lock()
        isStopping = true
        arrival.signal()
        while !isGone { departure.wait(lock) }
        lock.unlock()
        event.close()
    }

    private func serve() {
        lock.lock()
        while true {
            while asked.isEmpty && !isStopping { arrival.wait(lock) }
            guard !asked.isEmpty else { break }
            let request = asked.removeFirst()
            lock.unlock()
            request.pointee.result = backEnd.answer(to: request.pointee.submission)
            lock.lock()
            done.append(request)
            event.signal()
        }
        isGone = true
        departure.signal()
        lock.unlock()
    }
}
