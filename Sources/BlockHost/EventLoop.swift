import CBlockHost
import Glibc

// @safe: a wait returns no more descriptors than there is room for.
/// The event loop of one thread: an ``EpollSet`` of its own, and a buffer for the descriptors that
/// are ready.
@safe package struct EventLoop: ~Copyable {
    /// Closed with the loop.
    private let set: EpollSet
    private let ready: UnsafeMutablePointer<CInt>
    /// How many descriptors one wait returns at most; the others are returned by the next wait.
    private static var room: Int { 16 }

    /// A loop that watches nothing.
    package init() throws(SystemCallError) {
        set = try EpollSet()
        unsafe ready = .allocate(capacity: Self.room)
    }

    deinit {
        set.close()
        unsafe ready.deallocate()
    }

    /// Watches a descriptor, level-triggered.
    package borrowing func add(
        _ target: CInt, for interest: EpollSet.Interest = EpollSet.Interest()
    ) throws(SystemCallError) { try set.add(target, for: interest) }

    /// Watches a descriptor for reading, edge-triggered.
    package borrowing func addEdgeTriggered(_ target: CInt) throws(SystemCallError) {
        try set.addEdgeTriggered(target)
    }

    /// Changes what a descriptor of the loop is watched for.
    package borrowing func change(
        _ target: CInt, to interest: EpollSet.Interest
    ) throws(SystemCallError) { try set.change(target, to: interest) }

    /// Stops watching a descriptor. The kernel stops by itself when the last descriptor of a file
    /// is closed.
    package borrowing func remove(_ target: CInt) { set.remove(target) }

    /// Waits until a descriptor is ready, a signal arrives, or `milliseconds` have passed (-1 is no
    /// limit). Calls `body` with each descriptor that is ready.
    package borrowing func wait(
        _ milliseconds: CInt, _ body: (CInt) -> Void
    ) throws(SystemCallError) {
        let count = unsafe cblockhost_epoll_wait(
            set.descriptor, ready, CInt(Self.room), milliseconds)
        guard count >= 0 || count == -EINTR else {
            throw SystemCallError("epoll_wait(2)", -count)
        }
        for index in 0..<max(0, Int(count)) { unsafe body(ready[index]) }
    }
}
