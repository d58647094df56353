/// Requests of the protocol, by its names.
enum VFIORequest {
    static func version(_ text: String? = nil, major: UInt16 = 0, minor: UInt16 = 0) -> VFIOMessage
    {
        VFIOMessage(
            command: VFIOCommand.version,
            body: le(major) + le(minor) + (text.map { Array($0.utf8) + [0] } ?? []))
    }

    static func map(
        _ address: UInt64, _ size: UInt64, offset: UInt64 = 0,
        flags: UInt32 = VFIOMapFlags.readableAndWriteable
    ) -> VFIOMessage {
        VFIOMessage(
            command: VFIOCommand.dmaMap,
            body: le(UInt32(32)) + le(flags) + le(offset) + le(address) + le(size))
    }

    static func unmap(_ address: UInt64, _ size: UInt64, flags: UInt32 = 0) -> VFIOMessage {
        VFIOMessage(
            command: VFIOCommand.dmaUnmap, body: le(UInt32(24)) + le(flags) + le(address) + le(size)
        )
    }

    static let info = VFIOMessage(
        command: VFIOCommand.deviceGetInfo, body: le(UInt32(16)) + [UInt8](repeating: 0, count: 12))

    static func regionInfo(_ index: UInt32) -> VFIOMessage {
        VFIOMessage(
            command: VFIOCommand.deviceGetRegionInfo,
            body: le(UInt32(32)) + le(UInt32(0)) + le(index) + [UInt8](repeating: 0, count: 20))
    }

    static func irqInfo(_ index: UInt32) -> VFIOMessage {
        VFIOMessage(
            command: VFIOCommand.deviceGetIRQInfo,
            body: le(UInt32(16)) + le(UInt32(0)) + le(index) + le(UInt32(0)))
    }

    static func setIRQs(
        _ flags: UInt32, index: UInt32 = 0, start: UInt32 = 0, count: UInt32 = 1, data: [UInt8] = []
    ) -> VFIOMessage {
        VFIOMessage(
            command: VFIOCommand.deviceSetIRQs,
            body: le(UInt32(20 + data.count)) + le(flags) + le(index) + le(start) + le(count) + data
        )
    }

    static func read(_ region: UInt32, _ offset: UInt64, _ count: UInt32) -> VFIOMessage {
        VFIOMessage(command: VFIOCommand.regionRead, body: le(offset) + le(region) + le(count))
    }

    static func write(_ region: UInt32, _ offset: UInt64, _ data: [UInt8]) -> VFIOMessage {
        VFIOMessage(
            command: VFIOCommand.regionWrite,
            body: le(offset) + le(region) + le(UInt32(data.count)) + data)
    }

    /// Reads the configuration space.
    static func readConfiguration(_ offset: Int, _ count: UInt32) -> VFIOMessage {
        read(VFIORegion.configuration, UInt64(offset), count)
    }

    /// Writes a register of the configuration space.
    static func writeConfiguration(_ offset: Int, _ value: some FixedWidthInteger) -> VFIOMessage {
        write(VFIORegion.configuration, UInt64(offset), le(value))
    }

    static let reset = VFIOMessage(command: VFIOCommand.deviceReset)

    static func feature(_ flags: UInt32, room: UInt32 = 1 << 20, _ data: [UInt8] = [])
        -> VFIOMessage
    {
        VFIOMessage(command: VFIOCommand.deviceFeature, body: le(room) + le(flags) + data)
    }
}
