import BlockHost
import Glibc

// "VHOST_USER_SET_MEM_TABLE", "VHOST_USER_ADD_MEM_REG", "VHOST_USER_REM_MEM_REG".
extension VhostUserSession {
    func setMemoryTable(
        _ header: VhostUserHeader, _ body: MessageBody
    ) throws(Refusal) -> Answer {
        guard let count = body.u32(0), count <= VhostUser.Limit.tableRegions,
            reader.descriptorCount == count,
            body.count >= 8 + Int(count) * RegionDescription.size
        else { throw Refusal(EINVAL) }
        var table: [(description: RegionDescription, descriptor: CInt)] = []
        defer { for entry in table { close(entry.descriptor) } }
        for index in 0..<Int(count) {
            guard let descriptor = reader.takeDescriptor(index) else { throw Refusal(EBADF) }
            let place = 8 + index * RegionDescription.size
            guard let description = RegionDescription(body, at: place) else {
                close(descriptor)
                throw Refusal(EINVAL)
            }
            table.append((description, descriptor))
        }
        return begin(try memory.replacement(by: table), header)
    }

    func addMemoryRegion(
        _ header: VhostUserHeader, _ body: MessageBody
    ) throws(Refusal) -> Answer {
        guard let description = RegionDescription(body, at: 8) else { throw Refusal(EINVAL) }
        guard reader.descriptorCount == 1, let descriptor = reader.takeDescriptor(0) else {
            throw Refusal(EBADF)
        }
        defer { close(descriptor) }
        return begin(try memory.addition(of: description, descriptor), header)
    }

    /// Some front ends send the descriptor, which is not needed and closed by the reader.
    func removeMemoryRegion(
        _ header: VhostUserHeader, _ body: MessageBody
    ) throws(Refusal) -> Answer {
        guard let description = RegionDescription(body, at: 8) else { throw Refusal(EINVAL) }
        return begin(try memory.removal(of: description), header)
    }

    /// Before memory is taken away, the requests under way complete: their rings, and the bytes for their states, may
    /// be there.
    private func begin(_ change: MemoryChange, _ header: VhostUserHeader) -> Answer {
        if !change.removed.isEmpty { pauseRings() }
        return .later(.pause(change, header))
    }

    /// Changes the memory. The front end may use what was taken away for something else when it has the
    /// acknowledgement.
    func make(_ change: MemoryChange, _ header: VhostUserHeader) {
        do throws(Refusal) {
            let release = try memory.make(change)
            // A queue lets go of memory when it looks at its ring.
            for thread in threads { thread.nudge() }
            wait(for: .release(release, header))
        } catch {
            resumeRings()
            refuse(header, error)
        }
    }
}
