import GuestMemory

/// What a driver has written to the registers.
struct MMIORegisters {
    /// The registers of one queue.
    struct Queue {
        var size: UInt32
        var isReady = false
        var descriptors: UInt64 = 0
        var available: UInt64 = 0
        var used: UInt64 = 0

        /// Where the driver says that the ring is.
        var layout: VirtqueueLayout {
            VirtqueueLayout(
                size: Int(size), descriptors: GuestAddress(descriptors),
                available: GuestAddress(available), used: GuestAddress(used))
        }
    }

    var deviceFeaturesSelect: UInt32 = 0
    var driverFeaturesSelect: UInt32 = 0
    var driverFeatures: UInt64 = 0
    var status: UInt32 = 0
    var queueSelect: UInt32 = 0
    var queues: [Queue]

    /// The registers after a reset.
    init(queueCount: Int, maximumQueueSize: Int) {
        queues = Array(
            repeating: Queue(size: UInt32(maximumQueueSize)), count: queueCount)
    }

    /// The queue that is selected; `nil` if there is no such queue.
    var selected: Int? { Int(queueSelect) < queues.count ? Int(queueSelect) : nil }

    /// Half of a feature word.
    static func half(_ word: UInt64, _ select: UInt32) -> UInt32 {
        select < 2 ? UInt32(truncatingIfNeeded: word >> (32 * UInt64(select))) : 0
    }

    /// Sets the low or the high half of a number.
    static func setHalf(_ word: inout UInt64, isHigh: Bool, _ value: UInt32) {
        word =
            isHigh
            ? word & 0xFFFF_FFFF | UInt64(value) << 32
            : word & ~0xFFFF_FFFF | UInt64(value)
    }
}
