@testable import TestSupport

/// Numbers of the vhost-user protocol as a front end needs them (QEMU, docs/interop/vhost-user.rst), apart
/// from those of the server.
enum VhostRequest {
    static let getFeatures: UInt32 = 1
    static let setFeatures: UInt32 = 2
    static let setOwner: UInt32 = 3
    static let resetOwner: UInt32 = 4
    static let setMemTable: UInt32 = 5
    static let setLogBase: UInt32 = 6
    static let setVringNum: UInt32 = 8
    static let setVringAddr: UInt32 = 9
    static let setVringBase: UInt32 = 10
    static let getVringBase: UInt32 = 11
    static let setVringKick: UInt32 = 12
    static let setVringCall: UInt32 = 13
    static let setVringErr: UInt32 = 14
    static let getProtocolFeatures: UInt32 = 15
    static let setProtocolFeatures: UInt32 = 16
    static let getQueueNum: UInt32 = 17
    static let setVringEnable: UInt32 = 18
    static let setBackendReqFD: UInt32 = 21
    static let getConfig: UInt32 = 24
    static let setConfig: UInt32 = 25
    static let getInflightFD: UInt32 = 31
    static let setInflightFD: UInt32 = 32
    static let resetDevice: UInt32 = 34
    static let getMaxMemSlots: UInt32 = 36
    static let addMemReg: UInt32 = 37
    static let remMemReg: UInt32 = 38

    /// Those whose answer is not an acknowledgement.
    static let replied: Set<UInt32> = [
        getFeatures, getVringBase, getProtocolFeatures, getQueueNum, getConfig, getInflightFD,
        getMaxMemSlots,
    ]
}

/// Feature bits of devices, of the transport and of the protocol.
enum VhostFeature {
    static let readOnly: UInt64 = 1 << 5
    static let blockSize: UInt64 = 1 << 6
    static let flush: UInt64 = 1 << 9
    static let configurableWriteCache: UInt64 = 1 << 11
    /// VIRTIO_BLK_F_MQ.
    static let severalQueues: UInt64 = 1 << 12
    static let indirect: UInt64 = 1 << 28
    static let eventIndex: UInt64 = 1 << 29
    static let protocolFeatures: UInt64 = 1 << 30
    static let version1: UInt64 = 1 << 32

    static let multipleQueues: UInt64 = 1 << 0
    static let replyAck: UInt64 = 1 << 3
    static let backEndRequests: UInt64 = 1 << 5
    static let config: UInt64 = 1 << 9
    static let inflight: UInt64 = 1 << 12
    static let reset: UInt64 = 1 << 13
    static let memorySlots: UInt64 = 1 << 15
}

/// A message as it is on the wire.
struct VhostMessage: Equatable {
    var request: UInt32
    var flags: UInt32 = 1
    var body: [UInt8] = []

    static let needReply: UInt32 = 1 << 3
    static let reply: UInt32 = 1 << 2

    var bytes: [UInt8] { le(request) + le(flags) + le(UInt32(body.count)) + body }

    /// The message that `bytes` begin with, and its length; `nil` when it is not complete.
    static func first(of bytes: [UInt8]) -> (VhostMessage, Int)? {
        guard bytes.count >= 12 else { return nil }
        let size = Int(number(bytes, 8, 4))
        guard bytes.count >= 12 + size else { return nil }
        let message = VhostMessage(
            request: UInt32(number(bytes, 0, 4)), flags: UInt32(number(bytes, 4, 4)),
            body: Array(bytes[12..<12 + size]))
        return (message, 12 + size)
    }

    /// The number of `width` bytes at `offset` of the body.
    func number(_ offset: Int, _ width: Int) -> UInt64 { Self.number(body, offset, width) }

    private static func number(_ bytes: [UInt8], _ offset: Int, _ width: Int) -> UInt64 {
        (0..<width).reduce(0) { $0 | UInt64(bytes[offset + $1]) << UInt64(8 * $1) }
    }
}
