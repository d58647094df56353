import BlockState

/// What of a ``VirtioMMIO`` is saved, apart from guest memory and the image.
struct SavedDevice {
    /// What was agreed on with the driver.
    struct Agreement {
        var features: UInt64 = 0
        var isWriteCacheOn = true
        var size: UInt64 = 0
    }

    /// The registers that do not belong to a queue.
    struct Registers {
        var status: UInt32 = 0
        var deviceFeaturesSelect: UInt32 = 0
        var driverFeaturesSelect: UInt32 = 0
        var driverFeatures: UInt64 = 0
        var queueSelect: UInt32 = 0
        var interruptStatus: UInt32 = 0
        var needsReset = false
    }

    /// All queues.
    struct Queues {
        var queues: [Queue]
    }

    /// One queue.
    struct Queue {
        var size: UInt32 = 0
        var isReady = false
        var descriptors: UInt64 = 0
        var available: UInt64 = 0
        var used: UInt64 = 0
        /// It has a ring, and takes requests from it.
        var isRunning = false
        var nextAvailable: UInt16 = 0
        var nextUsed: UInt16 = 0
        /// Requests to be begun again.
        var keptHeads: [UInt16] = []
    }

    var agreement = Agreement()
    var registers = Registers()
    var queues: Queues

    /// A state of a device with this number of queues.
    init(queueCount: Int) {
        queues = Queues(queues: Array(repeating: Queue(), count: queueCount))
    }
}

extension SavedDevice: StateFields {
    mutating func fields(_ codec: inout some StateCodec) throws(StateError) {
        try codec.section(&agreement, "agreement")
        try codec.section(&registers, "registers")
        try codec.section(&queues, "queues")
    }
}

extension SavedDevice.Agreement: StateFields {
    mutating func fields(_ codec: inout some StateCodec) throws(StateError) {
        try codec.number(&features, "features")
        try codec.flag(&isWriteCacheOn, "isWriteCacheOn")
        try codec.number(&size, "size")
    }
}

extension SavedDevice.Registers: StateFields {
    mutating func fields(_ codec: inout some StateCodec) throws(StateError) {
        try codec.number(&status, "status", in: 0...0xFF)
        try codec.check(
            "status", "DRIVER_OK only with FEATURES_OK, and no DEVICE_NEEDS_RESET",
            status & DeviceStatus.needsReset == 0
                && (status & DeviceStatus.driverOK == 0 || status & DeviceStatus.featuresOK != 0))
        try codec.number(&deviceFeaturesSelect, "deviceFeaturesSelect")
        try codec.number(&driverFeaturesSelect, "driverFeaturesSelect")
        try codec.number(&driverFeatures, "driverFeatures")
        try codec.number(&queueSelect, "queueSelect")
        try codec.number(&interruptStatus, "interruptStatus", in: 0...3)
        try codec.flag(&needsReset, "needsReset")
    }
}

extension SavedDevice.Queues: StateFields {
    mutating func fields(_ codec: inout some StateCodec) throws(StateError) {
        var count = queues.count
        try codec.number(&count, "count", as: UInt32.self)
        guard count == queues.count else {
            throw .mismatch(
                field: "queues.count",
                reason: "the state has \(count) queues, and the device has \(queues.count)")
        }
        try codec.structures(&queues, "queues")
    }
}

extension SavedDevice.Queue: StateFields {
    mutating func fields(_ codec: inout some StateCodec) throws(StateError) {
        try codec.number(&size, "size")
        try codec.flag(&isReady, "isReady")
        try codec.number(&descriptors, "descriptors")
        try codec.number(&available, "available")
        try codec.number(&used, "used")
        try codec.flag(&isRunning, "isRunning")
        try codec.check("isRunning", "only if `isReady`", isReady || !isRunning)
        try codec.number(&nextAvailable, "nextAvailable")
        try codec.number(&nextUsed, "nextUsed")
        try codec.numbers(&keptHeads, "keptHeads", atMost: 1024)
        let areGood =
            Set(keptHeads).count == keptHeads.count && keptHeads.allSatisfy { UInt32($0) < size }
            && (isRunning || keptHeads.isEmpty)
        try codec.check(
            "keptHeads", "numbers below `size`, none twice; none unless `isRunning`", areGood)
    }
}
