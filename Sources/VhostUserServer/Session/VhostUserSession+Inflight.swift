import BlockHost
import Glibc

// "VHOST_USER_GET_INFLIGHT_FD", "VHOST_USER_SET_INFLIGHT_FD".
extension VhostUserSession {
    /// Makes a region, which the front end keeps and gives back when it connects to the next server.
    func getInflight(_ header: VhostUserHeader, _ body: MessageBody) throws(Refusal) -> Answer {
        let (queueCount, queueSize) = try inflightLayout(body)
        let region = try InflightRegion(queueCount: queueCount, queueSize: queueSize)
        var writer = ReplyWriter(header.request, flags: VhostUser.HeaderFlags.reply)
        writer.put(UInt64(region.byteCount))
        writer.put(UInt64(0))
        writer.put(UInt16(truncatingIfNeeded: queueCount))
        writer.put(UInt16(truncatingIfNeeded: queueSize))
        // As a C structure has it, with padding.
        writer.put(UInt32(0))
        send(writer, descriptor: region.descriptor)
        return .sent
    }

    func setInflight(_ body: MessageBody) throws(Refusal) -> Answer {
        let (queueCount, queueSize) = try inflightLayout(body)
        guard !rings.contains(where: \.isStarted) else { throw Refusal(EBUSY) }
        guard let size = body.u64(0), let offset = body.u64(8) else { throw Refusal(EINVAL) }
        guard let descriptor = reader.takeDescriptor(0) else { throw Refusal(EBADF) }
        defer { close(descriptor) }
        inflight = try InflightRegion(
            descriptor: descriptor, offset: offset, size: size, queueCount: queueCount,
            queueSize: queueSize)
        return .acknowledgement
    }

    /// Front ends send 24 bytes, or 20 without the padding.
    private func inflightLayout(
        _ body: MessageBody
    ) throws(Refusal) -> (queueCount: Int, queueSize: Int) {
        guard let queueCount = body.u16(16), let queueSize = body.u16(18), queueCount > 0,
            queueCount <= VhostUser.Limit.queues, queueSize > 0
        else { throw Refusal(EINVAL) }
        return (Int(queueCount), Int(queueSize))
    }
}
