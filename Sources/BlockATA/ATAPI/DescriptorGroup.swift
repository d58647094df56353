import CBlockIO
import Glibc

/// One descriptor, readable when any of its members is: so that an emulator need not notice that
/// the queue behind a drive has changed (epoll(7), which can be nested).
package final class DescriptorGroup {
    package let descriptor: CInt

    init() throws(ATAError) {
        descriptor = cbio_poll_group()
        guard descriptor >= 0 else { throw .system(-descriptor) }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    func add(_ member: CInt) throws(ATAError) {
        let result = cbio_poll_group_add(descriptor, member)
        guard result == 0 else { throw .system(-result) }
    }

    func remove(_ member: CInt) { cbio_poll_group_remove(descriptor, member) }
}
