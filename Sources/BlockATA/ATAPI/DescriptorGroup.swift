import CBlockIO
import Glibc

/// One descriptor, readable when any of its members is: so that an emulator need not notice that
/// the queue behind a drive has changed (epoll(7), which can be nested).
final class DescriptorGroup {
    let descriptor: CInt

    init() throws(IDEError) {
        descriptor = cbio_poll_group()
        guard descriptor >= 0 else { throw .system(-descriptor) }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    func add(_ member: CInt) throws(IDEError) {
        let result = cbio_poll_group_add(descriptor, member)
        guard result == 0 else { throw .system(-result) }
    }

    func remove(_ member: CInt) { cbio_poll_group_remove(descriptor, member) }
}
