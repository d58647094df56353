import BlockHost
import GuestMemory

extension MessageReader {
    /// A reader of vfio-user messages.
    convenience init(_ socket: CInt) {
        self.init(
            socket,
            MessageFraming(
                headerSize: MessageHeader.size, sizeOffset: 4, includesHeader: true,
                maximumBodySize: VFIOUser.Limit.message - MessageHeader.size,
                maximumDescriptors: VFIOUser.Limit.descriptors))
    }

    /// The header of the message.
    var header: MessageHeader { MessageHeader(headerBytes) }
}

extension MessageBody {
    func address(_ offset: Int) -> GuestAddress? { u64(offset).map { GuestAddress($0) } }
}
