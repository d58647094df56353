import BlockHost
import Glibc

// "VFIO_USER_VERSION".
extension VFIOUserSession {
    func exchangeVersions(_ header: MessageHeader, _ body: MessageBody) throws(Refusal) {
        guard !isNegotiated, let major = body.u16(0), body.u16(2) != nil, major == 0 else {
            throw Refusal(EINVAL)
        }
        let text = unsafe Array(body.rest(4).bytes)
        if let last = text.last {
            guard last == 0, let data = VersionData(Array(text.dropLast())) else {
                throw Refusal(EINVAL)
            }
            if let limit = data.capabilities["max_data_xfer_size"] {
                guard limit >= VFIOUser.Limit.leastTransfer else { throw Refusal(EINVAL) }
                requests.transferLimit = min(limit, VFIOUser.Limit.request)
            }
        }
        isNegotiated = true
        reply(header) { writer in
            writer.put(UInt16(0))
            writer.put(UInt16(0))
            var text = Self.capabilities
            text.withUTF8 { unsafe writer.put(UnsafeRawBufferPointer($0)) }
            writer.put(UInt8(0))
        }
    }

    private static var capabilities: String {
        "{\"capabilities\":{\"max_msg_fds\":\(VFIOUser.Limit.descriptors),"
            + "\"max_data_xfer_size\":\(VFIOUser.Limit.transfer),"
            + "\"pgsizes\":\(VFIOUser.Limit.pageSize),\"max_dma_maps\":\(VFIOUser.Limit.maps)}}"
    }
}
