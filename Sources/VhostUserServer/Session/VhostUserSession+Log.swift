import BlockHost
import Glibc

// "Migration": VHOST_F_LOG_ALL, VHOST_USER_SET_LOG_BASE.
extension VhostUserSession {
    /// Whether written pages are to be logged.
    var isLogging: Bool { features & VhostUser.Feature.logAll != 0 }

    /// The reply says that the former log is used no more.
    func setLogBase(_ header: VhostUserHeader, _ body: MessageBody) throws(Refusal) -> Answer {
        guard body.count == 16, let size = body.u64(0), let offset = body.u64(8) else {
            throw Refusal(EINVAL)
        }
        guard let descriptor = reader.takeDescriptor(0) else { throw Refusal(EBADF) }
        defer { close(descriptor) }
        let next = try MigrationLog(descriptor: descriptor, offset: offset, size: size)
        moveLog()
        log = next
        return reply(header, 0)
    }

    /// Begins or ends to log written pages, of all memory.
    func setLogging(_ isOn: Bool) {
        if !isOn { moveLog() }
        memory.setLogging(isOn)
        if !isOn { log = nil }
    }

    /// Moves what was logged to the front end's log. A page is in it before the message is answered that lets
    /// the front end look for the last time.
    func moveLog() {
        guard let log else { return }
        memory.takeWritten { first, last in log.mark(first, through: last) }
    }

    /// The same for memory that was taken away and is used no more: requests may have written it meanwhile.
    func moveLog(of release: MemoryRelease) {
        guard let log else { return }
        for region in release.regions {
            region.takeWritten { first, last in log.mark(first, through: last) }
        }
    }
}
