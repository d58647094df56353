import CTestSupport
import Glibc
@testable import TestSupport

/// An epoll(7) set of descriptors watched for reading, level-triggered.
final class EventSet: Sendable {
    private let set: Descriptor

    /// A set of the descriptors given.
    convenience init(_ descriptors: CInt...) throws { try self.init(descriptors) }

    /// The same of a list.
    init(_ descriptors: [CInt]) throws {
        set = Descriptor(
            try SystemCall.check(
                SystemCall.result(epoll_create1(CInt(EPOLL_CLOEXEC))), "epoll_create1"))
        for descriptor in descriptors {
            var event = epoll_event()
            event.events = EPOLLIN.rawValue
            event.data.fd = descriptor
            try SystemCall.check(
                SystemCall.result(epoll_ctl(set.raw, EPOLL_CTL_ADD, descriptor, &event)),
                "epoll_ctl")
        }
    }

    /// One descriptor that is readable; `nil` when none is for this long. Below 0 there is no limit.
    func wait(milliseconds: CInt = Patience.milliseconds) -> CInt? {
        var event = epoll_event()
        let end = ContinuousClock.now + .milliseconds(Int(milliseconds))
        var left = milliseconds
        while true {
            let count = epoll_wait(set.raw, &event, 1, left)
            if count < 0, errno == EINTR {
                // Signals that keep coming must not make it endless.
                if milliseconds >= 0 {
                    left = max(0, CInt((end - ContinuousClock.now) / .milliseconds(1)))
                }
                continue
            }
            return count > 0 ? event.data.fd : nil
        }
    }

    /// Whether something is readable right now.
    var isReadable: Bool { wait(milliseconds: 0) != nil }
}
