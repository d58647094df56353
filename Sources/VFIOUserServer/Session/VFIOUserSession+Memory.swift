import BlockHost
import Glibc
import GuestMemory

// "VFIO_USER_DMA_MAP", "VFIO_USER_DMA_UNMAP".
extension VFIOUserSession {
    /// What the reply to DMA_UNMAP repeats.
    struct UnmappedRegion {
        let flags: UInt32
        let address: GuestAddress
        let size: UInt64

        func put(_ writer: MessageWriter) {
            writer.put(UInt32(24))
            writer.put(flags)
            writer.put(address.rawValue)
            writer.put(size)
        }
    }

    func map(_ header: MessageHeader, _ body: MessageBody) throws(Refusal) {
        guard body.count == 32, let room = body.u32(0), room >= 32, let flags = body.u32(4),
            let offset = body.u64(8), let address = body.address(16), let size = body.u64(24),
            reader.descriptorCount <= 1
        else { throw Refusal(EINVAL) }
        let isWritable = flags & VFIOUser.MapFlags.writeable != 0
        guard flags != 0,
            flags & ~(VFIOUser.MapFlags.readable | VFIOUser.MapFlags.writeable) == 0
        else { throw Refusal(EINVAL) }
        let descriptor = reader.takeDescriptor(0)
        defer { if let descriptor { close(descriptor) } }
        try memory.add(address: address, size: size) { () throws(Refusal) in
            guard let descriptor else {
                return .remote(
                    PeerWindow(requests, at: address), size: size, isWritable: isWritable)
            }
            guard let offset = Int(exactly: offset), let size = Int(exactly: size) else {
                throw Refusal(EINVAL)
            }
            do throws(GuestMemoryError) {
                let ram = try GuestRAM(
                    descriptor: descriptor, offset: offset, size: size, isWritable: isWritable)
                // What cannot be written is like a ROM: writes are lost.
                return isWritable ? .ram(ram) : .rom(ram)
            } catch {
                throw Refusal.of(error)
            }
        }
        reply(header)
    }

    /// The reply waits until no transfer can reach the memory any more.
    func unmap(_ header: MessageHeader, _ body: MessageBody) throws(Refusal) {
        guard body.count == 24, let room = body.u32(0), room >= 24, let flags = body.u32(4),
            let address = body.address(8), let size = body.u64(16), reader.descriptorCount == 0
        else { throw Refusal(EINVAL) }
        let release: PeerMemory.Release
        switch flags {
        case 0: release = try memory.remove(address: address, size: size)
        case VFIOUser.UnmapFlags.all:
            guard address == 0, size == 0 else { throw Refusal(EINVAL) }
            release = try memory.removeAll()
        default: throw Refusal(EINVAL)
        }
        leaveIfSilent()
        let region = UnmappedRegion(flags: flags, address: address, size: size)
        if release.isDone {
            reply(header, region.put)
        } else {
            unmaps.append((header, region, release))
            refuseRequests()
        }
    }
}
