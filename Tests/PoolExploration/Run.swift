import BlockIO
import CPoolExploration
import Glibc

/// One program in one schedule. Reached through a pointer that all its threads have.
struct Run {
    static let limit = 8
    /// Requests that bring the pool into a state are made beyond the others.
    static let preparation = 63

    /// The block of the image that a request is for.
    static func slot(_ request: Int, round: Int) -> Int { round * limit + request }

    var round = 0
    var program: Program
    var image: BlockImage
    var buffer: UnsafeMutableRawBufferPointer
    var queue: Unmanaged<BlockQueue>?
    var remote: RemoteQueue?
    var ids: [RequestID] = []
    var delivered = [Int](repeating: 0, count: limit)
    /// Not 0 once all requests of the first round have been made.
    var areMade: UnsafeMutablePointer<CInt>
    var emptyPolls = 0
}

nonisolated(unsafe) let currentRun = UnsafeMutablePointer<Run>.allocate(capacity: 1)

private func fail(_ text: StaticString) -> Never {
    text.withUTF8Buffer {
        exploration_fail(UnsafeRawPointer($0.baseAddress!).assumingMemoryBound(to: CChar.self))
    }
}

private func note(_ text: StaticString, _ value: Int = -1) {
    text.withUTF8Buffer {
        exploration_note(
            UnsafeRawPointer($0.baseAddress!).assumingMemoryBound(to: CChar.self), value)
    }
}

/// For the scheduler: what is wrong while no lock is held.
func inspectRun(allSleep: Bool) -> UnsafePointer<CChar>? {
    guard let queue = currentRun.pointee.queue?.takeUnretainedValue(),
        let seen = ThreadPoolInspection(queue)
    else { return nil }
    var text = seen.contradiction
    if text == nil && allSleep {
        if seen.isOwnerForgotten {
            text = "the owner sleeps although what it waits for has happened"
        } else if seen.queued > 0 && exploration_calls_under_way() == 0 {
            text = "all threads sleep although a request is queued"
        }
    }
    guard let text else { return nil }
    return UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self)
}

/// The owner's thread.
func runOwner() {
    let program = currentRun.pointee.program
    currentRun.pointee.areMade.pointee = 0
    currentRun.pointee.ids.removeAll(keepingCapacity: true)
    currentRun.pointee.round = 0
    currentRun.pointee.emptyPolls = 0
    for index in 0..<Run.limit { currentRun.pointee.delivered[index] = 0 }
    if let ring = program.ring {
        runHelpers(program, ring)
        exploration_pool_is_closed()
        return check(program)
    }
    do {
        let queue = try BlockQueue(
            currentRun.pointee.image, QueueOptions(maximumThreads: program.threads))
        currentRun.pointee.queue = .passUnretained(queue)
        if program.transfers == .prompt { prepare(queue) }
        if program.other != .nothing {
            currentRun.pointee.remote = queue.remote
            exploration_spawn(runOther)
        }
        for round in 0..<program.rounds where !queue.isClosed {
            if round > 0 && program.pauses {
                exploration_wait_readable(queue.descriptor, 11_000_000)
            }
            currentRun.pointee.round = round
            runRound(queue, program)
        }
        note("closes the queue")
        queue.close(take)
        // Before the pool can be gone.
        currentRun.pointee.queue = nil
    } catch {
        fail("the queue cannot be opened")
    }
    exploration_pool_is_closed()
    check(program)
}

/// The owner of a ring: what its engine does at each visit, and in between it sleeps.
private func runHelpers(_ program: Program, _ ring: Program.Ring) {
    var driver: HelperThreadsDriver
    do {
        driver = try HelperThreadsDriver(
            image: currentRun.pointee.image, requests: program.requests.count)
    } catch {
        fail("there is no event for the ring")
    }
    for round in 0..<program.rounds {
        currentRun.pointee.round = round
        for index in program.requests.indices {
            note("makes request", index)
            driver.discard(index, at: offset(of: index))
        }
        if program.cancels { driver.cancel(program.requests.count - 1) }
        var visits = 0
        while driver.inFlight > 0 {
            visits += 1
            if visits > 20 { fail("the owner is woken again and again with nothing to deliver") }
            look(&driver)
            let needsHelp = driver.serveIfDue(isIdleBeside: ring == .idle)
            if deliver(&driver, program) { continue }
            exploration_wait_readable(
                driver.wakeDescriptor, needsHelp ? HelperThreadsDriver.patience : -1)
            look(&driver)
            _ = deliver(&driver, program)
        }
    }
    note("stops the helpers")
    driver.stop()
}

/// What the ring tells, then what helpers have ended.
private func look(_ driver: inout HelperThreadsDriver) {
    if exploration_is_readable(driver.wakeDescriptor) { driver.clear() }
    driver.collect()
}

private func deliver(_ driver: inout HelperThreadsDriver, _ program: Program) -> Bool {
    var isAny = false
    while let (index, result) = driver.takeFinished() {
        isAny = true
        note("takes completion", index)
        currentRun.pointee.delivered[index] += 1
        if result != 0 && !(program.cancels && result == -Int64(ECANCELED)) {
            fail("a request failed")
        }
    }
    if program.earlyTimeouts == 0 && exploration_time() > 1_100_000_000 {
        fail("a discard waited longer than others have to be let go first")
    }
    return isAny
}

/// Brings the pool to know that transfers do not take long, without varying anything.
private func prepare(_ queue: BlockQueue) {
    exploration_vary(false)
    exploration_set_call_span(100_000)
    for _ in 0..<32 {
        queue.read(
            into: currentRun.pointee.buffer, at: UInt64(Run.preparation) * 4096, userData: 99)
        while queue.outstanding > 0 { queue.poll(minimum: 1) }
    }
    exploration_vary(true)
}

private func runRound(_ queue: BlockQueue, _ program: Program) {
    if program.wait == .blocking {
        for index in program.requests.indices {
            callAndWait(queue, program.requests[index], index)
            currentRun.pointee.delivered[index] += 1
        }
        currentRun.pointee.areMade.pointee = 1
        return
    }
    if program.wait == .inBatch {
        queue.batch {
            make(queue, program)
            while queue.outstanding > 0 { poll(queue, minimum: queue.outstanding) }
        }
        return
    }
    if program.isBatch {
        queue.batch { make(queue, program) }
    } else {
        make(queue, program)
    }
    if program.cancels {
        note("cancels", program.requests.count - 1)
        queue.cancel(currentRun.pointee.ids[program.requests.count - 1])
    }
    deliver(queue, program.wait)
}

private func deliver(_ queue: BlockQueue, _ wait: Program.Wait) {
    // The second thread ends a wait for nothing.
    let isIdle = currentRun.pointee.program.requests.isEmpty
    switch wait {
    case .one where isIdle: poll(queue, minimum: 1)
    case .limited where isIdle:
        poll(queue, minimum: 1, timeout: .seconds(1))
        if exploration_time() >= 2_000_000_000 { fail("a wait ended by time instead of the wake") }
    case .descriptor where isIdle:
        exploration_wait_readable(queue.descriptor, -1)
        poll(queue, minimum: 0)
    case .one:
        while queue.outstanding > 0 { poll(queue, minimum: 1) }
    case .all:
        while queue.outstanding > 0 { poll(queue, minimum: queue.outstanding) }
    case .limited:
        while queue.outstanding > 0 {
            poll(queue, minimum: queue.outstanding, timeout: .seconds(1))
        }
    case .descriptor: sleepOnDescriptor(queue)
    case .looks:
        poll(queue, minimum: 0)
        poll(queue, minimum: 0)
        sleepOnDescriptor(queue)
    case .blocking, .inBatch, .close: break
    }
}

private func sleepOnDescriptor(_ queue: BlockQueue) {
    while queue.outstanding > 0 {
        exploration_wait_readable(queue.descriptor, -1)
        let count = poll(queue, minimum: 0)
        currentRun.pointee.emptyPolls = count == 0 ? currentRun.pointee.emptyPolls + 1 : 0
        if currentRun.pointee.emptyPolls > 8 {
            fail("the descriptor stays readable with nothing to deliver")
        }
    }
}

@discardableResult
private func poll(_ queue: BlockQueue, minimum: Int, timeout: Duration? = nil) -> Int {
    note("poll, minimum", minimum)
    return queue.poll(minimum: minimum, timeout: timeout, take)
}

private func take(_ completion: BlockCompletion) {
    let index = Int(completion.userData)
    if index == 99 { return }
    note("takes completion", index)
    currentRun.pointee.delivered[index] += 1
    let isCancelled = completion.failure == .cancelled
    let program = currentRun.pointee.program
    let mayBeCancelled =
        program.cancels || program.other == .cancelsFirst || program.other == .cancelsLast
    let mayBeClosed = program.other == .closes && completion.failure == .closed
    if !completion.isSuccess && !(isCancelled && mayBeCancelled) && !mayBeClosed {
        fail("a request failed")
    }
    if !program.stuck.isEmpty && !program.stuck.contains(index) { checkProgress(program, index) }
}

/// A request that is not stuck has ended.
private func checkProgress(_ program: Program, _ index: Int) {
    guard currentRun.pointee.round == program.rounds - 1 else { return }
    let isBehind = program.stuck.contains {
        currentRun.pointee.delivered[$0] > currentRun.pointee.round
    }
    // Nothing but what sleeps makes time pass, unless a timeout may come early.
    let isLate = program.earlyTimeouts == 0 && exploration_time() > 1_100_000_000
    if isBehind || isLate {
        fail("a request waited for one that is stuck, although another thread could be had")
    }
    // The owner waits for more answers, but not until the watcher calls a thread.
    let isHeldBack = program.wait == .one && exploration_time() > 1_001_000_000
    if isHeldBack && index == 0 && program.earlyTimeouts == 0 {
        fail("the owner was told of the first answer too late")
    }
}

private func make(_ queue: BlockQueue, _ program: Program) {
    currentRun.pointee.ids.removeAll(keepingCapacity: true)
    for index in program.requests.indices {
        note("makes request", index)
        currentRun.pointee.ids.append(start(queue, program.requests[index], index))
    }
    if program.transfers == .limited, let pool = queue.threadPool {
        note("needs one thread only")
        for _ in 0..<32 { pool.state.pointee.pace.note(100_000, bytes: 0) }
        pool.state.pointee.tuning = ThreadTuning(limit: 1)
    }
    currentRun.pointee.areMade.pointee = 1
}

private func offset(of index: Int) -> UInt64 {
    UInt64(Run.slot(index, round: currentRun.pointee.round)) * 4096
}

private func start(_ queue: BlockQueue, _ request: Program.Request, _ index: Int) -> RequestID {
    let buffer = currentRun.pointee.buffer
    let (offset, userData) = (offset(of: index), UInt(index))
    return switch request {
    case .read: queue.read(into: buffer, at: offset, userData: userData)
    case .write: queue.write(from: UnsafeRawBufferPointer(buffer), at: offset, userData: userData)
    case .durableWrite:
        queue.write(
            from: UnsafeRawBufferPointer(buffer), at: offset, durability: .forceUnitAccess,
            userData: userData)
    case .flush: queue.flush(userData: userData)
    case .discard: queue.discard(at: offset, length: 512, userData: userData)
    }
}

private func callAndWait(_ queue: BlockQueue, _ request: Program.Request, _ index: Int) {
    let buffer = currentRun.pointee.buffer
    let offset = offset(of: index)
    do throws(BlockError) {
        switch request {
        case .read: try queue.readAndWait(into: buffer, at: offset)
        case .write: try queue.writeAndWait(from: UnsafeRawBufferPointer(buffer), at: offset)
        case .durableWrite:
            try queue.writeAndWait(
                from: UnsafeRawBufferPointer(buffer), at: offset, durability: .forceUnitAccess)
        case .flush: try queue.flushAndWait()
        case .discard: try queue.discardAndWait(at: offset, length: 512)
        }
    } catch {
        fail("a request failed")
    }
}

/// The second thread.
private func runOther() {
    exploration_wait_flag(currentRun.pointee.areMade)
    guard let remote = currentRun.pointee.remote else { return }
    switch currentRun.pointee.program.other {
    case .nothing: break
    case .cancelsFirst: remote.cancel(currentRun.pointee.ids[0])
    case .cancelsLast:
        remote.cancel(currentRun.pointee.ids[currentRun.pointee.program.requests.count - 1])
    case .wakes: remote.wake()
    case .closes: remote.close()
    }
}

private func check(_ program: Program) {
    let rounds = program.other == .closes ? 1 : program.rounds
    for index in program.requests.indices {
        if currentRun.pointee.delivered[index] != rounds {
            fail("a request did not complete exactly once")
        }
        let mayBeUndone =
            program.cancels || program.other != .nothing || program.requests[index] == .flush
        for round in 0..<rounds {
            let calls = exploration_calls_made(CInt(Run.slot(index, round: round)))
            if calls > 1 || calls == 0 && !mayBeUndone {
                fail("a request was not served exactly once")
            }
        }
    }
}
