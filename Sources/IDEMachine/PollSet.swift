import Glibc

/// What a thread sleeps for in poll(2). It is filled anew for each sleep, and keeps its room.
struct PollSet: ~Copyable {
    private let entries: UnsafeMutablePointer<pollfd>
    private let capacity: Int
    private var count = 0

    init(capacity: Int) {
        self.capacity = capacity
        entries = .allocate(capacity: capacity)
    }

    deinit { entries.deallocate() }

    mutating func removeAll() { count = 0 }

    mutating func add(_ descriptor: CInt, _ events: CShort = CShort(POLLIN)) {
        precondition(count < capacity, "no room")
        entries[count] = pollfd(fd: descriptor, events: events, revents: 0)
        count += 1
    }

    /// Sleeps until one of them is ready, or a signal comes.
    func wait() throws(SystemError) {
        guard poll(entries, nfds_t(count), -1) >= 0 || errno == EINTR else {
            throw SystemError("poll")
        }
    }

    /// Whether the one that was added as number `index` is ready, or broken.
    func isReady(_ index: Int) -> Bool { entries[index].revents != 0 }

    /// Whether one from number `index` on is.
    func isAnyReady(from index: Int) -> Bool { (index..<count).contains { isReady($0) } }
}
