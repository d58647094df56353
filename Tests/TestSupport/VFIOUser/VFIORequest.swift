/// Requests of the protocol, by its names.
enum VFIORequest {
    /// The numbers of the commands that a server sends.
    static let dmaRead: UInt16 = 11
    static let dmaWrite: UInt16 = 12

    static func version(_ text: String? = nil, major: UInt16 = 0, minor: UInt16 = 0) -> VFIOMessage
    {
        VFIOMessage(
            command: 1, body: le(major) + le(minor) + (text.map { Array($0.utf8) + [0] } ?? []))
    }

    static func map(
        _ address: UInt64, _ size: UInt64, offset: UInt64 = 0, flags: UInt32 = 3
    ) -> VFIOMessage {
        VFIOMessage(
            command: 2, body: le(UInt32(32)) + le(flags) + le(offset) + le(address) + le(size))
    }

    static func unmap(_ address: UInt64, _ size: UInt64, flags: UInt32 = 0) -> VFIOMessage {
        VFIOMessage(command: 3, body: le(UInt32(24)) + le(flags) + le(address) + le(size))
    }

    static let info = VFIOMessage(
        command: 4, body: le(UInt32(16)) + [UInt8](repeating: 0, count: 12))

    static func regionInfo(_ index: UInt32) -> VFIOMessage {
        VFIOMessage(
            command: 5,
            body: le(UInt32(32)) + le(UInt32(0)) + le(index) + [UInt8](repeating: 0, count: 20))
    }

    static func irqInfo(_ index: UInt32) -> VFIOMessage {
        VFIOMessage(command: 7, body: le(UInt32(16)) + le(UInt32(0)) + le(index) + le(UInt32(0)))
    }

    static func setIRQs(
        _ flags: UInt32, index: UInt32 = 0, start: UInt32 = 0, count: UInt32 = 1, data: [UInt8] = []
    ) -> VFIOMessage {
        VFIOMessage(
            command: 8,
            body: le(UInt32(20 + data.count)) + le(flags) + le(index) + le(start) + le(count) + data
        )
    }

    static func read(_ region: UInt32, _ offset: UInt64, _ count: UInt32) -> VFIOMessage {
        VFIOMessage(command: 9, body: le(offset) + le(region) + le(count))
    }

    static func write(_ region: UInt32, _ offset: UInt64, _ data: [UInt8]) -> VFIOMessage {
        VFIOMessage(command: 10, body: le(offset) + le(region) + le(UInt32(data.count)) + data)
    }

    static let reset = VFIOMessage(command: 13)

    static func feature(_ flags: UInt32, room: UInt32 = 1 << 20, _ data: [UInt8] = [])
        -> VFIOMessage
    {
        VFIOMessage(command: 16, body: le(room) + le(flags) + data)
    }
}
