/// Command numbers of vfio-user (the specification of vfio-user). The numbers are written down
/// here and not taken from `VFIOUserServer`, so that the tests find a wrong one there.
enum VFIOCommand {
    static let version: UInt16 = 1
    static let dmaMap: UInt16 = 2
    static let dmaUnmap: UInt16 = 3
    static let deviceGetInfo: UInt16 = 4
    static let deviceGetRegionInfo: UInt16 = 5
    static let deviceGetRegionIOFDs: UInt16 = 6
    static let deviceGetIRQInfo: UInt16 = 7
    static let deviceSetIRQs: UInt16 = 8
    static let regionRead: UInt16 = 9
    static let regionWrite: UInt16 = 10
    /// Sent by the server.
    static let dmaRead: UInt16 = 11
    /// Sent by the server.
    static let dmaWrite: UInt16 = 12
    static let deviceReset: UInt16 = 13
    static let regionWriteMulti: UInt16 = 15
    static let deviceFeature: UInt16 = 16
    static let migrationDataRead: UInt16 = 17
    static let migrationDataWrite: UInt16 = 18
}

/// The flags of a message's header: bits 3:0 are its type (the specification of vfio-user).
enum VFIOMessageFlags {
    static let typeMask: UInt32 = 0xF
    static let reply: UInt32 = 0x01
    static let noReply: UInt32 = 0x10
    static let error: UInt32 = 0x20
    static let errorReply: UInt32 = 0x21
}

/// Regions of a PCI device (`VFIO_PCI_BAR0_REGION_INDEX` and the following of linux/vfio.h).
enum VFIORegion {
    static let bar0: UInt32 = 0
    static let bar1: UInt32 = 1
    static let bar4: UInt32 = 4
    static let bar5: UInt32 = 5
    static let rom: UInt32 = 6
    static let configuration: UInt32 = 7
    static let vga: UInt32 = 8
    static let count: UInt32 = 9
}
