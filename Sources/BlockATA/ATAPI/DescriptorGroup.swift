import BlockHost

/// One descriptor, readable when any of its members is: so that an emulator need not notice that
/// the queue behind a drive has changed.
package final class DescriptorGroup {
    private let members: EpollSet

    init() throws(ATAError) {
        do throws(SystemCallError) { members = try EpollSet() } catch { throw .system(error.errno) }
    }

    deinit { members.close() }

    package var descriptor: CInt { members.descriptor }

    func add(_ member: CInt) throws(ATAError) {
        do throws(SystemCallError) { try members.add(member) } catch { throw .system(error.errno) }
    }

    func remove(_ member: CInt) { members.remove(member) }
}
