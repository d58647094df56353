import CBlockHost
import Glibc

/// What one thread sleeps for: an ``EpollSet`` of its own, and room for what a wait answers.
@usableFromInline package struct EventLoop: ~Copyable {
    /// Closed with the loop.
    private let set: EpollSet
    private let ready: UnsafeMutableBufferPointer<CInt>

    /// A loop that watches nothing.
    package init() throws(SystemCallError) {
        set = try EpollSet()
        ready = .allocate(capacity: 16)
    }

    deinit {
        set.close()
        ready.deallocate()
    }

    /// Watches a descriptor, level-triggered.
    package borrowing func add(
        _ target: CInt, for interest: EpollSet.Interest = EpollSet.Interest()
    ) throws(SystemCallError) { try set.add(target, for: interest) }

    /// Watches one that is watched for something else now.
    package borrowing func change(
        _ target: CInt, to interest: EpollSet.Interest
    ) throws(SystemCallError) { try set.change(target, to: interest) }

    /// Watches a descriptor no more. One that is closed, too, is not watched.
    package borrowing func remove(_ target: CInt) { set.remove(target) }

    /// Waits at most `milliseconds` (-1 is no limit), or until a signal comes, and calls `body` with each
    /// descriptor that something is to be done about.
    package borrowing func wait(
        _ milliseconds: CInt, _ body: (CInt) -> Void
    ) throws(SystemCallError) {
        let count = cblockhost_epoll_wait(
            set.descriptor, ready.baseAddress!, CInt(ready.count), milliseconds)
        guard count >= 0 || count == -EINTR else {
            throw SystemCallError("epoll_wait(2)", -count)
        }
        for index in 0..<max(0, Int(count)) { body(ready[index]) }
    }
}
