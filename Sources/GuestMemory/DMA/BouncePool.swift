import BlockHost
import Glibc

// @safe: what it gives out lies inside its mapping, which is unmapped with it; transfers keep the
// address space, and this with it.
/// The bounce buffers of an address space: memory of a fixed size, which all transfers of the space
/// share.
///
/// A transfer that does not find enough free memory waits in a line, and no other transfer
/// overtakes it. It never waits for more than the size of the pool, so that its turn comes.
///
/// `@unchecked`: the mutex guards every variable.
@safe public final class BouncePool: @unchecked Sendable {
    /// The size of the pool in bytes.
    public let size: Int
    let base: UnsafeMutableRawPointer

    /// What is given out begins at a multiple of this and is one: what a device may demand of an
    /// address, or all there is.
    private let unit: Int
    private let mutex = PthreadMutex()

    // The mutex guards these.
    private var units: FreeRuns
    private var line = WaiterList()

    init(size: Int) throws(GuestMemoryError) {
        guard size >= 512, size & (size - 1) == 0, size <= 1 << 40 else {
            throw GuestMemoryError(.invalidOption)
        }
        self.size = size
        unit = Swift.min(size, DMAMapper.largestAlignment)
        let mapping = unsafe mmap(
            nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        guard let mapping = unsafe mapping, unsafe mapping != MAP_FAILED else {
            throw GuestMemoryError(.system, errno: errno)
        }
        unsafe base = unsafe mapping
        units = FreeRuns(count: size / unit)
    }

    deinit { unsafe munmap(base, size) }

    /// How many bytes are free now.
    public var available: Int {
        mutex.lock()
        defer { mutex.unlock() }
        return units.count * unit
    }

    /// How many transfers wait in the line now.
    public var waiting: Int {
        mutex.lock()
        defer { mutex.unlock() }
        return line.count
    }

    /// Takes `count` bytes, at most ``size``; or queues the waiter and returns `nil`.
    func take(_ count: Int, for waiter: BounceWaiter) -> UnsafeMutableRawPointer? {
        mutex.lock()
        defer { mutex.unlock() }
        waiter.count = count
        if line.isEmpty, let memory = unsafe allocate(count) { return unsafe memory }
        waiter.place = .line
        line.append(waiter)
        return nil
    }

    /// Gives back what `take` has given.
    func give(back memory: UnsafeMutableRawPointer, _ count: Int) {
        mutex.lock()
        unsafe free(memory, count)
        let woken = serveWaiters()
        mutex.unlock()
        for wake in woken { wake() }
    }

    /// Takes a waiter out of the line, and back what it may have been given.
    func withdraw(_ waiter: BounceWaiter) {
        mutex.lock()
        leave(waiter)
        if let memory = unsafe waiter.grant {
            unsafe waiter.grant = nil
            unsafe free(memory, waiter.count)
        }
        let woken = serveWaiters()
        mutex.unlock()
        for wake in woken { wake() }
    }

    // MARK: Transfers that can continue

    /// The first transfer of `ready`, which stays in the list.
    func first(of ready: ReadyList) -> UnretainedReference<DMATransfer>? {
        mutex.lock()
        defer { mutex.unlock() }
        return ready.list.first?.transfer
    }

    /// Removes a waiter from the list of transfers that can continue. Returns its bounce buffer, if
    /// any.
    func collect(_ waiter: BounceWaiter) -> UnsafeMutableRawPointer? {
        mutex.lock()
        defer { mutex.unlock() }
        leave(waiter)
        defer { unsafe waiter.grant = nil }
        return unsafe waiter.grant
    }

    /// What a waiter has waited for elsewhere has happened.
    func makeReady(_ waiter: BounceWaiter) {
        mutex.lock()
        waiter.place = .ready
        waiter.ready.list.append(waiter)
        mutex.unlock()
        waiter.ready.wake?()
    }

    // MARK: Under the mutex

    private func serveWaiters() -> [@Sendable () -> Void] {
        var woken: [@Sendable () -> Void] = []
        while let waiter = line.first, let memory = unsafe allocate(waiter.count) {
            line.remove(waiter)
            unsafe waiter.grant = unsafe memory
            waiter.place = .ready
            waiter.ready.list.append(waiter)
            if let wake = waiter.ready.wake { woken.append(wake) }
        }
        return woken
    }

    private func leave(_ waiter: BounceWaiter) {
        switch waiter.place {
        case .nowhere: break
        case .line: line.remove(waiter)
        case .ready: waiter.ready.list.remove(waiter)
        }
        waiter.place = .nowhere
    }

    private func allocate(_ count: Int) -> UnsafeMutableRawPointer? {
        unsafe units.take((count + unit - 1) / unit).map { unsafe base + $0 * unit }
    }

    private func free(_ memory: UnsafeMutableRawPointer, _ count: Int) {
        unsafe units.free((memory - base) / unit, (count + unit - 1) / unit)
    }
}
