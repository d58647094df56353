import CBlockHost
import Glibc

/// An epoll(7) set: one descriptor that is readable when any of its members is ready,
/// level-triggered unless a member was
/// added by ``addEdgeTriggered(_:)``. Sets can be nested.
///
/// The value is a name for the descriptor and can be copied freely. Whoever made the set closes it,
/// once, when nobody uses it any more.
package struct EpollSet: Sendable {
    /// For poll(2), epoll(7) and rings.
    package let descriptor: CInt

    /// What a member is watched for. Errors of a member are always reported.
    package struct Interest: Equatable, Sendable {
        package var readable: Bool
        package var writable: Bool

        package init(readable: Bool = true, writable: Bool = false) {
            self.readable = readable
            self.writable = writable
        }
    }

    /// An empty set.
    package init() throws(SystemCallError) {
        descriptor = try SystemCallError.check(cblockhost_epoll(), "epoll_create1(2)")
    }

    /// Adds `member` to the set. Throws EEXIST if it is in the set already.
    package func add(_ member: CInt, for interest: Interest = Interest()) throws(SystemCallError) {
        let answer = cblockhost_epoll_add(
            descriptor, member, interest.readable, interest.writable)
        try SystemCallError.check(answer, "epoll_ctl(2)")
    }

    /// Adds `member` to the set, edge-triggered: it is ready once for each write to it, such as one to an
    /// eventfd(2), which therefore need not be read. Throws EEXIST if it is in the set already, and EPERM
    /// if it is a regular file.
    package func addEdgeTriggered(_ member: CInt) throws(SystemCallError) {
        try SystemCallError.check(
            cblockhost_epoll_add_edge(descriptor, member), "epoll_ctl(2)")
    }

    /// Changes what a member is watched for.
    package func change(_ member: CInt, to interest: Interest) throws(SystemCallError) {
        let answer = cblockhost_epoll_change(
            descriptor, member, interest.readable, interest.writable)
        try SystemCallError.check(answer, "epoll_ctl(2)")
    }

    /// Removes `member` from the set. Does nothing if it is not in the set.
    package func remove(_ member: CInt) { cblockhost_epoll_remove(descriptor, member) }

    package func close() { _ = Glibc.close(descriptor) }
}
