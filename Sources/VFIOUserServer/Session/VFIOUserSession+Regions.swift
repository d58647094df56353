import BlockHost
import Glibc

// Accesses to registers: "VFIO_USER_REGION_READ", "VFIO_USER_REGION_WRITE", "VFIO_USER_DEVICE_RESET".
extension VFIOUserSession {
    /// Bytes of a region that lie inside it.
    private struct Access {
        let region: Int
        let offset: Int
        let count: Int
    }

    func readRegion(_ header: MessageHeader, _ body: MessageBody) throws(Refusal) {
        let access = try access(body)
        guard body.count == 16 else { throw Refusal(EINVAL) }
        unsafe withUnsafeTemporaryAllocation(byteCount: access.count, alignment: 4) { data in
            var done = 0
            while done < access.count {
                let (place, width) = step(access, done)
                let value =
                    access.region == VFIOUser.Region.configuration
                    ? function.readConfiguration(place, width: width)
                    : function.read(bar: access.region, offset: place, width: width)
                for byte in 0..<width {
                    unsafe data[done + byte] = UInt8(truncatingIfNeeded: value >> UInt32(8 * byte))
                }
                done += width
            }
            reply(header) { writer in
                put(access, writer)
                unsafe writer.put(UnsafeRawBufferPointer(data))
            }
        }
    }

    func writeRegion(_ header: MessageHeader, _ body: MessageBody) throws(Refusal) {
        let access = try access(body)
        guard body.count == 16 + access.count else { throw Refusal(EINVAL) }
        // Before anything happens: while a peer waits for this it may serve nothing that the write
        // makes the function ask for.
        reply(header) { put(access, $0) }
        flush()
        let data = body.rest(16)
        var done = 0
        while done < access.count {
            let (place, width) = step(access, done)
            let value: UInt32? =
                switch width {
                case 1: data.integer(at: done, as: UInt8.self).map(UInt32.init)
                case 2: data.u16(done).map(UInt32.init)
                default: data.u32(done)
                }
            guard let value else { return }
            if access.region == VFIOUser.Region.configuration {
                function.writeConfiguration(place, width: width, value: value)
            } else {
                function.write(bar: access.region, offset: place, width: width, value: value)
            }
            done += width
        }
    }

    /// The reply waits until nothing that was begun before can reach memory any more.
    func reset(_ header: MessageHeader, _ body: MessageBody) throws(Refusal) {
        guard body.count == 0 else { throw Refusal(EINVAL) }
        guard resets.count < Self.mostResets else { throw Refusal(EBUSY) }
        function.reset()
        resets.append(header)
        refuseRequests()
    }

    private func access(_ body: MessageBody) throws(Refusal) -> Access {
        guard let offset = body.u64(0), let region = body.u32(8), let count = body.u32(12),
            region < UInt32(VFIOUser.Region.count)
        else { throw Refusal(EINVAL) }
        let size = UInt64(sizeOfRegion(Int(region)))
        guard count > 0, count <= UInt32(VFIOUser.Limit.transfer), offset < size,
            UInt64(count) <= size - offset
        else {
            throw Refusal(EINVAL)
        }
        return Access(region: Int(region), offset: Int(offset), count: Int(count))
    }

    private func put(_ access: Access, _ writer: MessageWriter) {
        writer.put(UInt64(access.offset))
        writer.put(UInt32(access.region))
        writer.put(UInt32(access.count))
    }

    /// The next access as a bus would make it: naturally aligned, at most 4 bytes.
    private func step(_ access: Access, _ done: Int) -> (place: Int, width: Int) {
        let place = access.offset + done
        let left = access.count - done
        if place & 3 == 0 && left >= 4 { return (place, 4) }
        return (place, place & 1 == 0 && left >= 2 ? 2 : 1)
    }
}
