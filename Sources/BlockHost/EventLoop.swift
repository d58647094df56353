import CVFIOUser
import Glibc

/// An epoll(7) instance.
struct EventLoop: ~Copyable {
    private let descriptor: CInt
    private let events: UnsafeMutableBufferPointer<epoll_event>

    init() throws(VFIOUserError) {
        descriptor = epoll_create1(CInt(EPOLL_CLOEXEC))
        guard descriptor >= 0 else { throw VFIOUserError("epoll_create1", errno) }
        events = .allocate(capacity: 16)
    }

    deinit {
        close(descriptor)
        events.deallocate()
    }

    /// What is to be done about a descriptor.
    struct Interest: Equatable {
        var readable = true
        var writable = false
    }

    /// Watches a descriptor, level-triggered.
    borrowing func add(_ target: CInt) throws(VFIOUserError) {
        try control(EPOLL_CTL_ADD, target, Interest())
    }

    /// Watches one that is watched for something else now.
    borrowing func change(_ target: CInt, to interest: Interest) throws(VFIOUserError) {
        try control(EPOLL_CTL_MOD, target, interest)
    }

    /// Watches a descriptor no more. One that is closed, too, is not watched.
    borrowing func remove(_ target: CInt) { epoll_ctl(descriptor, EPOLL_CTL_DEL, target, nil) }

    private borrowing func control(
        _ operation: CInt, _ target: CInt, _ interest: Interest
    ) throws(VFIOUserError) {
        var event = epoll_event()
        if interest.readable { event.events |= EPOLLIN.rawValue }
        if interest.writable { event.events |= EPOLLOUT.rawValue }
        event.data.fd = target
        guard epoll_ctl(descriptor, operation, target, &event) == 0 else {
            throw VFIOUserError("epoll_ctl", errno)
        }
    }

    /// Waits at most `milliseconds` (-1 is no limit) and calls `body` with each descriptor that
    /// something is to be done about.
    borrowing func wait(_ milliseconds: CInt, _ body: (CInt) -> Void) throws(VFIOUserError) {
        let count = epoll_wait(descriptor, events.baseAddress, CInt(events.count), milliseconds)
        guard count >= 0 || errno == EINTR else { throw VFIOUserError("epoll_wait", errno) }
        for index in 0..<max(0, Int(count)) { body(events[index].data.fd) }
    }
}
