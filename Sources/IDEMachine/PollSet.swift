import Glibc

/// What a thread sleeps for in poll(2), time and again.
struct PollSet: ~Copyable {
    private let entries: UnsafeMutableBufferPointer<pollfd>

    /// Sleeps until one of these is readable.
    init(_ descriptors: [CInt]) {
        entries = .allocate(capacity: descriptors.count)
        for (index, descriptor) in descriptors.enumerated() {
            entries.initializeElement(
                at: index, to: pollfd(fd: descriptor, events: CShort(POLLIN), revents: 0))
        }
    }

    deinit { entries.deallocate() }

    /// Waits for other events at a descriptor.
    func setEvents(of index: Int, _ events: CShort) { entries[index].events = events }

    /// Sleeps until one of them is ready, or a signal comes.
    func wait() throws(SystemError) {
        if poll(entries.baseAddress, nfds_t(entries.count), -1) >= 0 { return }
        guard errno == EINTR else { throw SystemError("poll") }
        for index in entries.indices { entries[index].revents = 0 }
    }

    /// Whether a descriptor is ready, or broken.
    func isReady(_ index: Int) -> Bool { entries[index].revents != 0 }

    /// Whether one from number `index` on is.
    func isAnyReady(from index: Int) -> Bool {
        (index..<entries.count).contains { isReady($0) }
    }
}
