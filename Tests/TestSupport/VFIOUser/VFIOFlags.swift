/// Flags of DMA_MAP (the specification of vfio-user, `VFIO_USER_DMA_MAP`).
enum VFIOMapFlags {
    static let readable: UInt32 = 1
    static let writeable: UInt32 = 2
    static let readableAndWriteable: UInt32 = 3
}

/// Flags of DMA_UNMAP (`struct vfio_iommu_type1_dma_unmap` of linux/vfio.h; the specification of vfio-user
/// has none).
enum VFIOUnmapFlags {
    static let getDirtyBitmap: UInt32 = 1
    /// All maps, with an address and a size of 0.
    static let all: UInt32 = 2
}

/// Flags of DEVICE_SET_IRQS: one of what comes with the message, and one action (`struct vfio_irq_set` of
/// linux/vfio.h).
enum VFIOIRQFlags {
    static let dataNone: UInt32 = 0x01
    static let dataBool: UInt32 = 0x02
    static let dataEventFD: UInt32 = 0x04
    static let actionMask: UInt32 = 0x08
    static let actionUnmask: UInt32 = 0x10
    static let actionTrigger: UInt32 = 0x20

    /// Signals an eventfd from now on.
    static let triggerByEvent = dataEventFD | actionTrigger
    /// Signals the eventfd now; none any more with a count of 0.
    static let trigger = dataNone | actionTrigger
    static let mask = dataNone | actionMask
    static let unmask = dataNone | actionUnmask
    /// Unmasks if a byte with the message is not 0.
    static let unmaskIfTrue = dataBool | actionUnmask
    static let unmaskByEvent = dataEventFD | actionUnmask
}

/// Features of DEVICE_FEATURE, and what is done with them (`struct vfio_device_feature` of linux/vfio.h).
enum VFIOFeature {
    static let get: UInt32 = 1 << 16
    static let set: UInt32 = 1 << 17
    static let probe: UInt32 = 1 << 18

    static let migration: UInt32 = 1
    static let migrationState: UInt32 = 2
    static let dmaLoggingStart: UInt32 = 6
    static let dmaLoggingStop: UInt32 = 7
    static let dmaLoggingReport: UInt32 = 8
}
