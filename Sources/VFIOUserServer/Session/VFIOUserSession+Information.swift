import BlockHost
import BlockPCI
import Glibc

// What the device is: "VFIO_USER_DEVICE_GET_INFO" and its relatives. Each request has the shape of its
// reply, and `argsz`, the first field, says how much of a reply the peer has room for.
extension VFIOUserSession {
    private func checkSize(_ body: MessageBody, _ size: Int) throws(Refusal) {
        guard body.count >= size, let room = body.u32(0), room >= UInt32(size) else {
            throw Refusal(EINVAL)
        }
    }

    func getInfo(_ header: MessageHeader, _ body: MessageBody) throws(Refusal) {
        try checkSize(body, 16)
        reply(header) { writer in
            writer.put(UInt32(16))
            writer.put(VFIOUser.DeviceFlags.reset | VFIOUser.DeviceFlags.pci)
            writer.put(UInt32(VFIOUser.Region.count))
            writer.put(VFIOUser.IRQ.count)
        }
    }

    func getRegionInfo(_ header: MessageHeader, _ body: MessageBody) throws(Refusal) {
        try checkSize(body, 32)
        guard let index = body.u32(8), index < UInt32(VFIOUser.Region.count) else {
            throw Refusal(EINVAL)
        }
        let size = sizeOfRegion(Int(index))
        reply(header) { writer in
            writer.put(UInt32(32))
            writer.put(
                size > 0 ? VFIOUser.RegionFlags.read | VFIOUser.RegionFlags.write : UInt32(0))
            writer.put(index)
            writer.put(UInt32(0))
            writer.put(UInt64(size))
            writer.put(UInt64(0))
        }
    }

    func getIRQInfo(_ header: MessageHeader, _ body: MessageBody) throws(Refusal) {
        try checkSize(body, 16)
        guard let index = body.u32(8), index < VFIOUser.IRQ.count else { throw Refusal(EINVAL) }
        let exists = index == VFIOUser.IRQ.intx
        let flags =
            VFIOUser.IRQInfoFlags.eventfd | VFIOUser.IRQInfoFlags.maskable
            | VFIOUser.IRQInfoFlags.automasked
        reply(header) { writer in
            writer.put(UInt32(16))
            writer.put(exists ? flags : 0)
            writer.put(index)
            writer.put(UInt32(exists ? 1 : 0))
        }
    }

    /// In bytes; 0 for a region that does not exist.
    func sizeOfRegion(_ index: Int) -> Int {
        switch index {
        case 0..<VFIOUser.Region.barCount: function.bar(index)?.size ?? 0
        case VFIOUser.Region.configuration: function.configurationSize
        default: 0
        }
    }
}
