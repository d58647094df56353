/// The tokens that a request takes from the buckets of ``RateLimits``.
struct RateDemand {
    /// It is a read, and otherwise counts as a write.
    var isRead: Bool
    var operations: UInt64
    var bytes: UInt64
}

extension RateDemand {
    /// What a request takes whose length is known.
    init(_ request: RequestPointer) {
        let operation = request.pointee.operation
        let movesBytes = operation == .read || operation == .write
        self.init(
            isRead: operation == .read, operations: 1,
            bytes: movesBytes ? request.pointee.length : 0)
    }
}
