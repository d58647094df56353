/// Offsets of the registers (virtio 1.2, 4.2.2), all of 32 bits.
enum MMIORegister {
    static let magic: UInt64 = 0x000
    static let version: UInt64 = 0x004
    static let deviceID: UInt64 = 0x008
    static let vendorID: UInt64 = 0x00C
    static let deviceFeatures: UInt64 = 0x010
    static let deviceFeaturesSelect: UInt64 = 0x014
    static let driverFeatures: UInt64 = 0x020
    static let driverFeaturesSelect: UInt64 = 0x024
    static let queueSelect: UInt64 = 0x030
    static let queueSizeMaximum: UInt64 = 0x034
    static let queueSize: UInt64 = 0x038
    static let queueReady: UInt64 = 0x044
    static let queueNotify: UInt64 = 0x050
    static let interruptStatus: UInt64 = 0x060
    static let interruptAcknowledge: UInt64 = 0x064
    static let status: UInt64 = 0x070
    static let descriptorsLow: UInt64 = 0x080
    static let descriptorsHigh: UInt64 = 0x084
    static let availableLow: UInt64 = 0x090
    static let availableHigh: UInt64 = 0x094
    static let usedLow: UInt64 = 0x0A0
    static let usedHigh: UInt64 = 0x0A4
    static let sharedMemoryLengthLow: UInt64 = 0x0B0
    static let sharedMemoryBaseHigh: UInt64 = 0x0BC
    static let configurationGeneration: UInt64 = 0x0FC
    static let configuration: UInt64 = 0x100
}

/// Bits of the status (virtio 1.2, 2.1).
enum DeviceStatus {
    static let driverOK: UInt32 = 4
    static let featuresOK: UInt32 = 8
    static let needsReset: UInt32 = 64
}

/// Bits of the interrupt status (virtio 1.2, 4.2.2).
enum InterruptStatus {
    /// A used ring has something new.
    static let used: UInt32 = 1
    /// The configuration, or the status, has changed.
    static let configuration: UInt32 = 2
}
