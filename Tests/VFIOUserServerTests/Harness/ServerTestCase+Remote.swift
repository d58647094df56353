import XCTest

@testable import TestSupport

// For tests of memory that came without a descriptor.
extension ServerTestCase {
    /// Exchanges versions and maps memory that can only be asked for by message.
    func mapped(
        limit: Int? = nil, at address: UInt64 = 0x10000, size: UInt64 = 0x10000,
        flags: UInt32 = VFIOMapFlags.readableAndWriteable
    ) throws {
        try negotiate(limit.map { #"{"capabilities":{"max_data_xfer_size":\#($0)}}"# })
        try assertWorks(VFIORequest.map(address, size, flags: flags))
    }

    /// The good answer to a DMA_READ; to a DMA_WRITE without data.
    func answer(_ command: VFIOMessage, _ data: [UInt8]) -> VFIOMessage {
        VFIOMessage(
            id: command.id, command: command.command, flags: VFIOMessageFlags.reply,
            body: Array(command.body[..<16]) + data)
    }

    /// Bytes that differ from place to place.
    func data(_ count: Int, from first: Int = 0) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: (first + $0) &* 7) }
    }
}
