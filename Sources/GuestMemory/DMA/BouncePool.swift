import Glibc

/// The bounce buffers of an address space: a fixed amount of memory, shared by all its transfers
/// first come, first served.
///
/// A transfer that finds too little left waits in line, and nobody overtakes it. What it waits for
/// is never more than the whole, so its turn comes.
public final class BouncePool: @unchecked Sendable {
    /// All of it, in bytes.
    public let size: Int
    let base: UnsafeMutableRawPointer

    /// What is given out begins at a multiple of this and is one: what a device may demand of an
    /// address, or all there is.
    private let unit: Int
    private let mutex = PthreadMutex()

    // Under the mutex.
    private var isTaken: [Bool]
    private var firstWaiter: Unmanaged<BounceWaiter>?
    private var lastWaiter: Unmanaged<BounceWaiter>?

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
        isTaken = Array(repeating: false, count: size / unit)
    }

    deinit { munmap(base, size) }

    /// Bytes that nobody has now.
    public var available: Int {
        mutex.lock()
        defer { mutex.unlock() }
        return isTaken.count { !$0 } * unit
    }

    /// Transfers that wait in line now.
    public var waiting: Int {
        mutex.lock()
        defer { mutex.unlock() }
        var count = 0
        var waiter = firstWaiter
        while let next = waiter {
            count += 1
            waiter = next._withUnsafeGuaranteedRef { $0.next }
        }
        return count
    }

    /// Takes `count` bytes, at most ``size``; or queues the waiter and returns `nil`.
    func take(_ count: Int, for waiter: BounceWaiter) -> UnsafeMutableRawPointer? {
        mutex.lock()
        defer { mutex.unlock() }
        waiter.count = count
        if firstWaiter == nil, let memory = allocate(count) { return memory }
        let entry = Unmanaged.passUnretained(waiter)
        waiter.grant = nil
        waiter.next = nil
        waiter.isQueued = true
        if let lastWaiter {
            lastWaiter._withUnsafeGuaranteedRef { $0.next = entry }
        } else {
            firstWaiter = entry
        }
        lastWaiter = entry
        return nil
    }

    /// Takes without waiting, and without overtaking those who do.
    func takeNow(_ count: Int) -> UnsafeMutableRawPointer? {
        mutex.lock()
        defer { mutex.unlock() }
        return firstWaiter == nil ? allocate(count) : nil
    }

    /// What a waiter has been given since it was queued, once.
    func collect(_ waiter: BounceWaiter) -> UnsafeMutableRawPointer? {
        mutex.lock()
        defer { mutex.unlock() }
        defer { waiter.grant = nil }
        return waiter.grant
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
        if waiter.isQueued {
            remove(waiter)
        } else if let memory = waiter.grant {
            waiter.grant = nil
            free(memory, waiter.count)
        }
        let woken = serveWaiters()
        mutex.unlock()
        for wake in woken { wake() }
    }

    // MARK: Under the mutex

    private func serveWaiters() -> [@Sendable () -> Void] {
        var woken: [@Sendable () -> Void] = []
        while let entry = firstWaiter {
            let waiter = entry.takeUnretainedValue()
            guard let memory = allocate(waiter.count) else { break }
            remove(waiter)
            waiter.grant = memory
            if let wake = waiter.wake { woken.append(wake) }
        }
        return woken
    }

    private func remove(_ waiter: BounceWaiter) {
        var previous: Unmanaged<BounceWaiter>?
        var entry = firstWaiter
        while let here = entry, here.toOpaque() != Unmanaged.passUnretained(waiter).toOpaque() {
            previous = here
            entry = here._withUnsafeGuaranteedRef { $0.next }
        }
        guard entry != nil else { return }
        if let previous {
            previous._withUnsafeGuaranteedRef { $0.next = waiter.next }
        } else {
            firstWaiter = waiter.next
        }
        if waiter.next == nil { lastWaiter = previous }
        waiter.next = nil
        waiter.isQueued = false
    }

    /// The first run of free units that is long enough.
    private func allocate(_ count: Int) -> UnsafeMutableRawPointer? {
        let needed = (count + unit - 1) / unit
        var run = 0
        for index in isTaken.indices {
            run = isTaken[index] ? 0 : run + 1
            if run == needed {
                let first = index + 1 - needed
                for taken in first...index { isTaken[taken] = true }
                return base + first * unit
            }
        }
        return nil
    }

    private func free(_ memory: UnsafeMutableRawPointer, _ count: Int) {
        let first = (memory - base) / unit
        for index in first..<first + (count + unit - 1) / unit { isTaken[index] = false }
    }
}

/// A transfer's place in the line for bounce buffers. Its contents belong to the pool's mutex.
final class BounceWaiter {
    fileprivate var next: Unmanaged<BounceWaiter>?
    fileprivate var isQueued = false
    fileprivate var count = 0
    fileprivate var grant: UnsafeMutableRawPointer?
    /// Called when something has been granted, on the thread that gave it back.
    let wake: (@Sendable () -> Void)?

    init(wake: (@Sendable () -> Void)?) { self.wake = wake }
}
