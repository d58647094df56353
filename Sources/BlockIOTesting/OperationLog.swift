import BlockHost
import BlockIO

/// The operations that an engine was asked to do, in order: see ``QueueDecorator/logged(in:)``. Safe to share.
public final class OperationLog: @unchecked Sendable {
    /// One operation.
    public struct Entry: Sendable, Hashable {
        /// What kind it is; a read that is made for a partial write is a read.
        public let operation: BlockOperation
        /// The first byte of the image that it concerns; the new size for a resize.
        public let offset: UInt64
        /// Bytes concerned.
        public let length: UInt64
        /// Whether it is a write that is to be on stable storage when it ends.
        public let isDurable: Bool
        /// The lengths of the buffers that its bytes are in.
        public let bufferLengths: [Int]
    }

    private let lock = PthreadMutex()
    private let list: UnsafeMutablePointer<[Entry]>

    /// Empty.
    public init() {
        list = .allocate(capacity: 1)
        list.initialize(to: [])
    }

    deinit {
        list.deinitialize(count: 1)
        list.deallocate()
    }

    /// The operations so far, the oldest first.
    public var entries: [Entry] {
        lock.lock()
        defer { lock.unlock() }
        return list.pointee
    }

    /// Forgets them.
    public func clear() {
        lock.lock()
        defer { lock.unlock() }
        list.pointee = []
    }

    func add(_ entry: Entry) {
        lock.lock()
        defer { lock.unlock() }
        list.pointee.append(entry)
    }
}

/// Writes operations down and changes nothing.
struct LogKeeper: OperationDecorator {
    let log: OperationLog

    func passage(of operation: AskedOperation) -> Passage {
        let order = operation.order
        log.add(
            OperationLog.Entry(
                operation: operation.kind, offset: order.position, length: order.length,
                isDurable: order.isDurable,
                bufferLengths: (0..<Int(order.vectorCount)).map { order.vectors![$0].iov_len }))
        return .asked
    }
}
