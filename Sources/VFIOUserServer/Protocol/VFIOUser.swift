/// Names and numbers of the vfio-user protocol, version 0.0. Sections cited without more are those of
/// "vfio-user Protocol Specification" (QEMU, docs/interop/vfio-user.rst); `vfio.h` is Linux'
/// include/uapi/linux/vfio.h, which it is based on.
enum VFIOUser {
    /// "Commands".
    enum Command {
        static let version: UInt16 = 1
        static let dmaMap: UInt16 = 2
        static let dmaUnmap: UInt16 = 3
        static let deviceGetInfo: UInt16 = 4
        static let deviceGetRegionInfo: UInt16 = 5
        static let deviceGetIRQInfo: UInt16 = 7
        static let deviceSetIRQs: UInt16 = 8
        static let regionRead: UInt16 = 9
        static let regionWrite: UInt16 = 10
        static let dmaRead: UInt16 = 11
        static let dmaWrite: UInt16 = 12
        static let deviceReset: UInt16 = 13
        static let deviceFeature: UInt16 = 16
    }

    /// "Header": the flags.
    enum HeaderFlags {
        static let typeMask: UInt32 = 0xF
        static let command: UInt32 = 0
        static let reply: UInt32 = 1
        static let noReply: UInt32 = 1 << 4
        static let error: UInt32 = 1 << 5
    }

    /// `VFIO_USER_DMA_MAP`: the flags.
    enum MapFlags {
        static let readable: UInt32 = 1 << 0
        static let writeable: UInt32 = 1 << 1
    }

    /// `VFIO_USER_DMA_UNMAP`: the flags. The specification has none; QEMU uses that of vfio.h,
    /// `VFIO_DMA_UNMAP_FLAG_ALL`, with address and size 0.
    enum UnmapFlags {
        static let all: UInt32 = 1 << 1
    }

    /// `VFIO_USER_DEVICE_GET_INFO`: the flags.
    enum DeviceFlags {
        static let reset: UInt32 = 1 << 0
        static let pci: UInt32 = 1 << 1
    }

    /// `VFIO_USER_DEVICE_GET_REGION_INFO`: the flags.
    enum RegionFlags {
        static let read: UInt32 = 1 << 0
        static let write: UInt32 = 1 << 1
    }

    /// vfio.h, `VFIO_PCI_*_REGION_INDEX`: 0 to 5 are the base address registers.
    enum Region {
        static let barCount = 6
        static let configuration = 7
        /// With the expansion ROM (6) and VGA (8), which no function here has.
        static let count = 9
    }

    /// vfio.h, `VFIO_PCI_*_IRQ_INDEX`.
    enum IRQ {
        static let intx: UInt32 = 0
        /// With MSI, MSI-X, errors and requests, which no function here has.
        static let count: UInt32 = 5
    }

    /// `VFIO_USER_DEVICE_GET_IRQ_INFO`: the flags.
    enum IRQInfoFlags {
        static let eventfd: UInt32 = 1 << 0
        static let maskable: UInt32 = 1 << 1
        static let automasked: UInt32 = 1 << 2
    }

    /// `VFIO_USER_DEVICE_SET_IRQS`: the flags.
    enum IRQSetFlags {
        static let dataNone: UInt32 = 1 << 0
        static let dataBool: UInt32 = 1 << 1
        static let dataEventfd: UInt32 = 1 << 2
        static let dataMask: UInt32 = 7
        static let mask: UInt32 = 1 << 3
        static let unmask: UInt32 = 1 << 4
        static let trigger: UInt32 = 1 << 5
        static let actionMask: UInt32 = 7 << 3
    }

    /// `VFIO_USER_DEVICE_FEATURE`: the flags and the features.
    enum Feature {
        static let indexMask: UInt32 = 0xFFFF
        static let get: UInt32 = 1 << 16
        static let set: UInt32 = 1 << 17
        static let probe: UInt32 = 1 << 18
        static let dmaLoggingStart: UInt32 = 6
        static let dmaLoggingStop: UInt32 = 7
        static let dmaLoggingReport: UInt32 = 8
    }

    /// What this server can do, as it tells a peer ("VFIO_USER_VERSION", capabilities).
    enum Limit {
        /// `max_msg_fds`.
        static let descriptors = 8
        /// `max_data_xfer_size`, and what a peer that says nothing can do.
        static let transfer = 1 << 20
        /// A peer that takes less at a time cannot be served: a transfer would be too many messages.
        static let leastTransfer = 512
        /// Most bytes of one DMA_READ or DMA_WRITE. QEMU gives each message to its socket once, does not
        /// wait, and takes a part that was sent for the whole. Linux sends a message of this size with its
        /// header as a whole or not at all.
        static let request = 32 << 10
        /// Most bytes of all DMA_READs and DMA_WRITEs that the peer has not answered: a Linux socket holds
        /// 212,992 bytes with the kernel's own for each message, unless the peer has changed that.
        static let outstanding = 64 << 10
        /// Most of these requests. The kernel's own bytes make many short messages as large as few long
        /// ones.
        static let requests = 32
        /// A peer that leaves more requests unanswered that were given up does not answer at all.
        static let givenUp = 1024
        /// While more bytes than these wait for the peer to take them, it is not listened to. Requests
        /// alone never come to so many: a peer that cannot take them before it has sent something is
        /// listened to.
        static let backlog = 128 << 10
        /// `max_dma_maps`.
        static let maps = 1024
        /// `pgsizes`: addresses, offsets and sizes of maps are multiples of it.
        static let pageSize: UInt64 = 4096
        /// The longest message: a transfer with its header and its parameters.
        static let message = MessageHeader.size + 16 + transfer
    }
}
