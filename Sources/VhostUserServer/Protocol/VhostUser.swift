/// Names and numbers of the vhost-user protocol, as the back end needs them. Sections cited without more
/// are those of "Vhost-user Protocol" (QEMU, docs/interop/vhost-user.rst).
enum VhostUser {
    /// "Front-end message types".
    enum Request {
        static let getFeatures: UInt32 = 1
        static let setFeatures: UInt32 = 2
        static let setOwner: UInt32 = 3
        static let resetOwner: UInt32 = 4
        static let setMemoryTable: UInt32 = 5
        static let setLogBase: UInt32 = 6
        static let setRingSize: UInt32 = 8
        static let setRingAddresses: UInt32 = 9
        static let setRingBase: UInt32 = 10
        static let getRingBase: UInt32 = 11
        static let setKick: UInt32 = 12
        static let setCall: UInt32 = 13
        static let setError: UInt32 = 14
        static let getProtocolFeatures: UInt32 = 15
        static let setProtocolFeatures: UInt32 = 16
        static let getQueueCount: UInt32 = 17
        static let setRingEnabled: UInt32 = 18
        static let setBackEndSocket: UInt32 = 21
        static let getConfiguration: UInt32 = 24
        static let setConfiguration: UInt32 = 25
        static let getInflight: UInt32 = 31
        static let setInflight: UInt32 = 32
        static let resetDevice: UInt32 = 34
        static let getMemorySlots: UInt32 = 36
        static let addMemoryRegion: UInt32 = 37
        static let removeMemoryRegion: UInt32 = 38
    }

    /// "Back-end message types".
    enum BackEndRequest {
        static let configurationChanged: UInt32 = 2
    }

    /// "Header": the flags.
    enum HeaderFlags {
        static let versionMask: UInt32 = 3
        static let version: UInt32 = 1
        static let reply: UInt32 = 1 << 2
        static let needsReply: UInt32 = 1 << 3
    }

    /// Feature bits of the transport, beside those of the device.
    enum Feature {
        /// VHOST_F_LOG_ALL: written pages are logged.
        static let logAll: UInt64 = 1 << 26
        /// VHOST_USER_F_PROTOCOL_FEATURES.
        static let protocolFeatures: UInt64 = 1 << 30
    }

    /// "Protocol features".
    enum ProtocolFeature {
        static let multipleQueues: UInt64 = 1 << 0
        static let logDescriptor: UInt64 = 1 << 1
        static let replyAcknowledgement: UInt64 = 1 << 3
        static let backEndRequests: UInt64 = 1 << 5
        static let configuration: UInt64 = 1 << 9
        static let inflight: UInt64 = 1 << 12
        static let resetDevice: UInt64 = 1 << 13
        static let memorySlots: UInt64 = 1 << 15

        /// Those that this server offers.
        static let offered =
            multipleQueues | logDescriptor | replyAcknowledgement | backEndRequests | configuration
            | inflight | resetDevice | memorySlots
    }

    /// "Vring descriptor index for split virtqueues" and the messages that carry a descriptor for a ring.
    enum RingMessage {
        static let indexMask: UInt64 = 0xFF
        /// There is no descriptor.
        static let noDescriptor: UInt64 = 1 << 8
    }

    /// SET_VRING_ADDR: the flags.
    enum RingFlags {
        /// VHOST_VRING_F_LOG: writes to the used ring are logged.
        static let log: UInt32 = 1 << 0
    }

    /// What this server allows.
    enum Limit {
        /// The longest body of a message. The longest one that the protocol has is a configuration of
        /// 256 bytes behind 12 bytes, or a table of 8 regions of 32 bytes behind 8 bytes.
        static let body = 4096
        /// Descriptors of one message: a table of memory regions has the most.
        static let descriptors = 8
        /// Regions of one table ("VHOST_MEMORY_BASELINE_NREGIONS").
        static let tableRegions = 8
        /// Regions that ADD_MEM_REG can make (GET_MAX_MEM_SLOTS). QEMU uses at most 509 with KVM.
        static let memorySlots = 509
        /// The longest payload of GET_CONFIG and SET_CONFIG ("VHOST_USER_MAX_CONFIG_SIZE").
        static let configuration = 256
        /// Queues: the number of a ring is 8 bits in some messages.
        static let queues = 256
    }
}
