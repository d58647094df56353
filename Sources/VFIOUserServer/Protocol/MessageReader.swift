import CVFIOUser
import Glibc

/// Takes messages from a stream socket, each with the descriptors that belong to it.
///
/// The kernel hands out the bytes of messages without descriptors together with those of the next
/// one that has some. So a receive never asks for more than what is missing of one message: first
/// the header, then exactly the body. Descriptors that come with either are this message's.
///
/// `@safe`, because a receive asks for no more than there is room for, and because the memory is freed
/// with the reader.
@safe final class MessageReader {
    /// What a receive came to.
    enum Event: Equatable {
        /// ``header``, ``body`` and the descriptors are those of a whole message.
        case message
        /// Nothing more is there now.
        case incomplete
        /// The peer has gone, between two messages or within one.
        case end
        /// ``header`` has a size that no message can have: where the next one begins is not known.
        case unusable
    }

    private(set) var header = MessageHeader(id: 0, command: 0, flags: 0)
    /// How many descriptors came with the message; more than ``VFIOUser/Limit/descriptors`` are
    /// counted and closed.
    private(set) var descriptorCount = 0
    /// Descriptors came with it that this process could not have: it has too many.
    private(set) var hasLostDescriptors = false

    private let socket: CInt
    /// The body of one message, as long as they can be.
    private let buffer: UnsafeMutableRawPointer
    private let headerBytes: UnsafeMutableRawPointer
    private let descriptors: UnsafeMutablePointer<CInt>
    /// Bytes of the present message that have come, header included.
    private var received = 0
    private var isComplete = false

    init(_ socket: CInt) {
        self.socket = socket
        // Only pages that a message has reached are ever touched.
        unsafe buffer = .allocate(byteCount: VFIOUser.Limit.message, alignment: 8)
        unsafe headerBytes = .allocate(byteCount: MessageHeader.size, alignment: 8)
        unsafe descriptors = .allocate(capacity: VFIOUser.Limit.descriptors)
        unsafe descriptors.initialize(repeating: -1, count: VFIOUser.Limit.descriptors)
    }

    deinit {
        closeDescriptors()
        unsafe buffer.deallocate()
        unsafe headerBytes.deallocate()
        unsafe descriptors.deallocate()
    }

    /// What follows the header.
    var body: MessageBody {
        unsafe MessageBody(
            bytes: UnsafeRawBufferPointer(
                start: buffer, count: Int(header.messageSize) - MessageHeader.size))
    }

    /// One of the message's descriptors, which is the caller's from now on; `nil` when there is no
    /// such.
    func takeDescriptor(_ index: Int) -> CInt? {
        guard index >= 0, index < VFIOUser.Limit.descriptors, unsafe descriptors[index] >= 0
        else { return nil }
        defer { unsafe descriptors[index] = -1 }
        return unsafe descriptors[index]
    }

    /// Goes on with the present message, or begins the next: what was not taken of the last one is
    /// gone then.
    func receive() -> Event {
        if isComplete { reset() }
        while true {
            if received < MessageHeader.size {
                switch unsafe fill(headerBytes + received, MessageHeader.size - received) {
                case .message: break
                case let event: return event
                }
                guard received == MessageHeader.size else { continue }
                header = unsafe MessageHeader(headerBytes)
                guard
                    (MessageHeader.size...VFIOUser.Limit.message).contains(
                        Int(header.messageSize))
                else { return .unusable }
            }
            let missing = Int(header.messageSize) - received
            if missing == 0 {
                isComplete = true
                return .message
            }
            switch unsafe fill(buffer + (received - MessageHeader.size), missing) {
            case .message: break
            case let event: return event
            }
        }
    }

    /// One receive; `message` when some bytes have come.
    private func fill(_ target: UnsafeMutableRawPointer, _ count: Int) -> Event {
        var came = 0
        let room = max(0, VFIOUser.Limit.descriptors - descriptorCount)
        let free = unsafe descriptors + (VFIOUser.Limit.descriptors - room)
        let result = unsafe cvfiouser_receive(
            socket, target, count, free, room, &came, &hasLostDescriptors)
        descriptorCount += came
        switch result {
        case -Int(EAGAIN): return .incomplete
        case ...0: return .end
        default:
            received += result
            return .message
        }
    }

    private func reset() {
        closeDescriptors()
        received = 0
        descriptorCount = 0
        hasLostDescriptors = false
        isComplete = false
    }

    private func closeDescriptors() {
        guard descriptorCount > 0 else { return }
        for index in 0..<VFIOUser.Limit.descriptors {
            if let descriptor = takeDescriptor(index) { close(descriptor) }
        }
    }
}
