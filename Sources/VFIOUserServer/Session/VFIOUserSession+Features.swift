import BlockHost
import Glibc
import GuestMemory

// "VFIO_USER_DEVICE_FEATURE": the pages that the function has written.
extension VFIOUserSession {
    private typealias Feature = VFIOUser.Feature

    func serveFeature(_ header: MessageHeader, _ body: MessageBody) throws(Refusal) {
        guard let room = body.u32(0), let flags = body.u32(4), room >= 8 else {
            throw Refusal(EINVAL)
        }
        let methods = flags & (Feature.get | Feature.set | Feature.probe)
        guard flags & ~(Feature.indexMask | methods) == 0 else { throw Refusal(EINVAL) }
        let supported: UInt32
        switch flags & Feature.indexMask {
        case Feature.dmaLoggingStart, Feature.dmaLoggingStop: supported = Feature.set
        case Feature.dmaLoggingReport: supported = Feature.get
        default: throw Refusal(EINVAL)
        }
        let asked = methods & (Feature.get | Feature.set)
        guard asked & ~supported == 0 else { throw Refusal(EINVAL) }
        if methods & Feature.probe != 0 { return repeatBody(header, body) }
        guard asked == supported else { throw Refusal(EINVAL) }
        switch flags & Feature.indexMask {
        case Feature.dmaLoggingStart: try startLogging(header, body)
        case Feature.dmaLoggingStop:
            memory.stopLogging()
            repeatBody(header, body)
        default: try report(header, body, room: Int(room))
        }
    }

    private func repeatBody(_ header: MessageHeader, _ body: MessageBody) {
        reply(header) { $0.put(body) }
    }

    /// All maps are watched, whatever ranges are named, with the page size that there is.
    private func startLogging(_ header: MessageHeader, _ body: MessageBody) throws(Refusal) {
        guard let number = body.u32(16), body.count == 24 + Int(number) * 16 else {
            throw Refusal(EINVAL)
        }
        memory.startLogging()
        reply(header) { writer in
            writer.put(body.part(0..<8))
            writer.put(VFIOUser.Limit.pageSize)
            writer.put(body.rest(16))
        }
    }

    private func report(
        _ header: MessageHeader, _ body: MessageBody, room: Int
    ) throws(Refusal) {
        guard body.count >= 32, let address = body.address(8), let size = body.u64(16),
            let pageSize = body.u64(24), size > 0, pageSize.nonzeroBitCount == 1,
            let last = address.advanced(by: size - 1)
        else { throw Refusal(EINVAL) }
        let pages = (size - 1) / pageSize + 1
        let words = Int(clamping: (pages - 1) / 64 + 1)
        guard words <= (VFIOUser.Limit.transfer - 32) / 8, 32 + 8 * words <= room else {
            throw Refusal(E2BIG)
        }
        var bitmap = [UInt64](repeating: 0, count: words)
        let isLogged: Void? = memory.takeWritten(address: address, size: size) { run in
            let first = max(run.lowerBound, address).offset(from: address) / pageSize
            let end = min(run.upperBound, last).offset(from: address) / pageSize
            for page in first...end { bitmap[Int(page / 64)] |= 1 << (page % 64) }
        }
        guard isLogged != nil else { throw Refusal(EINVAL) }
        reply(header) { writer in
            writer.put(UInt32(32 + 8 * words))
            writer.put(body.part(4..<32))
            for word in bitmap { writer.put(word) }
        }
    }
}
