import BlockHost
import Glibc

/// The bounce buffers of an address space: a fixed amount of memory, shared by all its transfers
/// first come, first served.
///
/// A transfer that finds too little left waits in line, and nobody overtakes it. What it waits for
/// is never more than the whole, so its turn comes.
///
/// Safe to share: what changes is under the mutex.
public final class BouncePool: @unchecked Sendable {
    /// All of it, in bytes.
    public let size: Int
    let base: UnsafeMutableRawPointer

    /// What is given out begins at a multiple of this and is one: what a device may demand of an
    /// address, or all there is.
    private let unit: Int
    private let mutex = PthreadMutex()

    // Under the mutex.
    private var units: FreeRuns
    private var line = WaiterList()

    init(size: Int) throws(GuestMemoryError) {
        guard size >= 512, size & (size - 1) == 0, size <= 1 << 40 else {
            throw GuestMemoryError(.invalidOption)
        }
        self.size = size
        unit = Swift.min(size, DMAMapper.largestAlignment)
        let mapping = mmap(
            nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        guard let mapping, mapping != MAP_FAILED else {
            throw GuestMemoryError(.system, errno: errno)
        }
        base = mapping
        units = FreeRuns(count: size / unit)
    }

    deinit { munmap(base, size) }

    /// Bytes that nobody has now.
    public var available: Int {
        mutex.lock()
        defer { mutex.unlock() }
        return units.count * unit
    }

    /// Transfers that wait in line now.
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
        if line.isEmpty, let memory = allocate(count) { return memory }
        waiter.place = .line
        line.append(waiter)
        return nil
    }

    /// Gives back what `take` has given.
    func give(back memory: UnsafeMutableRawPointer, _ count: Int) {
        mutex.lock()
        free(memory, count)
        let woken = serveWaiters()
        mutex.unlock()
        for wake in woken { wake() }
    }

    /// Takes a waiter out of the line, and back what it may have been given.
    func withdraw(_ waiter: BounceWaiter) {
        mutex.lock()
        leave(waiter)
        if let memory = waiter.grant {
            waiter.grant = nil
            free(memory, waiter.count)
        }
        let woken = serveWaiters()
        mutex.unlock()
        for wake in woken { wake() }
    }

    // MARK: Transfers that can go on

    /// The first transfer of `ready` that can go on, without taking it out.
    func first(of ready: ReadyList) -> Unmanaged<DMATransfer>? {
        mutex.lock()
        defer { mutex.unlock() }
        return ready.list.first?.transfer
    }

    /// Takes a waiter out of the list of those that can go on, with what it has been given.
    func collect(_ waiter: BounceWaiter) -> UnsafeMutableRawPointer? {
        mutex.lock()
        defer { mutex.unlock() }
        leave(waiter)
        defer { waiter.grant = nil }
        return waiter.grant
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
        while let waiter = line.first, let memory = allocate(waiter.count) {
            line.remove(waiter)
            waiter.grant = memory
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
        units.take((count + unit - 1) / unit).map { base + $0 * unit }
    }

    private func free(_ memory: UnsafeMutableRawPointer, _ count: Int) {
        units.free((memory - base) / unit, (count + unit - 1) / unit)
    }
}
