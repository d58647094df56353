import CBlockHost
import Glibc

/// Takes messages from a stream socket, each with the descriptors that belong to it.
///
/// The kernel hands out the bytes of messages without descriptors together with those of the next
/// one that has some. So a receive never asks for more than what is missing of one message: first
/// the header, then exactly the body. Descriptors that come with either are this message's.
///
/// `@safe`, because a receive asks for no more than there is room for, and because the memory is freed
/// with the reader.
@safe package final class MessageReader {
    /// What a receive came to.
    package enum Event: Equatable {
        /// ``headerBytes``, ``body`` and the descriptors are those of a whole message.
        case message
        /// Nothing more is there now.
        case incomplete
        /// The peer has gone, between two messages or within one.
        case end
        /// The header has a size that no message can have: where the next one begins is not known.
        case unusable
    }

    /// How many descriptors came with the message; more than the framing's maximum are counted and
    /// closed.
    package private(set) var descriptorCount = 0
    /// Descriptors came with it that this process could not have: it has too many.
    package private(set) var hasLostDescriptors = false

    private let socket: CInt
    private let framing: MessageFraming
    /// The body of one message, as long as they can be.
    private let buffer: UnsafeMutableRawPointer
    private let headerBuffer: UnsafeMutableRawPointer
    private let descriptors: UnsafeMutablePointer<CInt>
    /// Bytes of the present message that have come, header included.
    private var received = 0
    /// Of the present message, once its header has come.
    private var bodySize = 0
    private var isComplete = false

    /// A reader of `socket`, which the caller closes later than the last call.
    package init(_ socket: CInt, _ framing: MessageFraming) {
        self.socket = socket
        self.framing = framing
        // Only pages that a message has reached are ever touched.
        unsafe buffer = .allocate(byteCount: framing.maximumBodySize, alignment: 8)
        unsafe headerBuffer = .allocate(byteCount: framing.headerSize, alignment: 8)
        unsafe headerBuffer.initializeMemory(
            as: UInt8.self, repeating: 0, count: framing.headerSize)
        unsafe descriptors = .allocate(capacity: framing.maximumDescriptors)
        unsafe descriptors.initialize(repeating: -1, count: framing.maximumDescriptors)
    }

    deinit {
        closeDescriptors()
        unsafe buffer.deallocate()
        unsafe headerBuffer.deallocate()
        unsafe descriptors.deallocate()
    }

    /// The header.
    package var headerBytes: MessageBody {
        unsafe MessageBody(
            UnsafeRawBufferPointer(start: headerBuffer, count: framing.headerSize))
    }

    /// What follows the header.
    package var body: MessageBody {
        unsafe MessageBody(UnsafeRawBufferPointer(start: buffer, count: bodySize))
    }

    /// One of the message's descriptors, which is the caller's from now on; `nil` when there is no
    /// such.
    package func takeDescriptor(_ index: Int) -> CInt? {
        guard index >= 0, index < framing.maximumDescriptors, unsafe descriptors[index] >= 0
        else { return nil }
        defer { unsafe descriptors[index] = -1 }
        return unsafe descriptors[index]
    }

    /// Goes on with the present message, or begins the next: what was not taken of the last one is
    /// gone then.
    package func receive() -> Event {
        if isComplete { reset() }
        while true {
            if received < framing.headerSize {
                switch unsafe fill(headerBuffer + received, framing.headerSize - received) {
                case .message: break
                case let event: return event
                }
                guard received == framing.headerSize else { continue }
                let size = Int(headerBytes.u32(framing.sizeOffset) ?? 0)
                bodySize = framing.includesHeader ? size - framing.headerSize : size
                guard (0...framing.maximumBodySize).contains(bodySize) else {
                    bodySize = 0
                    return .unusable
                }
            }
            let missing = framing.headerSize + bodySize - received
            if missing == 0 {
                isComplete = true
                return .message
            }
            switch unsafe fill(buffer + (received - framing.headerSize), missing) {
            case .message: break
            case let event: return event
            }
        }
    }

    /// One receive; `message` when some bytes have come.
    private func fill(_ target: UnsafeMutableRawPointer, _ count: Int) -> Event {
        var came = 0
        let room = max(0, framing.maximumDescriptors - descriptorCount)
        let free = unsafe descriptors + (framing.maximumDescriptors - room)
        let result = unsafe cblockhost_receive(
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
        bodySize = 0
        descriptorCount = 0
        hasLostDescriptors = false
        isComplete = false
    }

    private func closeDescriptors() {
        guard descriptorCount > 0 else { return }
        for index in 0..<framing.maximumDescriptors {
            if let descriptor = takeDescriptor(index) { close(descriptor) }
        }
    }
}
