// GET EVENT STATUS NOTIFICATION (MMC-5 6.7) and MECHANISM STATUS (6.10).
extension PacketReply {
    /// Notification classes (MMC-5 table 292).
    private enum EventClass {
        static let media: UInt8 = 4
        /// NEA: none of the classes asked for.
        static let none: UInt8 = 0x80
    }

    /// The first class asked for that the drive has; it has that of media.
    mutating func putEventStatus(
        requested: UInt8, _ event: MediaEvent, isTrayOpen: Bool, hasMedium: Bool
    ) {
        let isAsked = requested & 1 << EventClass.media != 0
        put16(isAsked ? 4 : 0)
        put8(isAsked ? EventClass.media : EventClass.none)
        put8(1 << EventClass.media)
        guard isAsked else { return }
        // Table 304: the event; table 305: bit 1 a medium is there, bit 0 the tray is open.
        put8(event.rawValue)
        put8(isTrayOpen ? 0x01 : hasMedium ? 0x02 : 0)
        put16(0)
    }

    /// 6.10.2: no changer, one slot; bit 4 of the second byte says that the door is open.
    mutating func putMechanismStatus(isTrayOpen: Bool, at block: UInt32) {
        put8(0)
        put8(isTrayOpen ? 0x10 : 0)
        put8(UInt8(truncatingIfNeeded: block >> 16))
        put16(UInt16(truncatingIfNeeded: block))
        put8(1)
        put16(0)
    }
}
