import GuestMemory

/// Registers that keep what is written to them: memory that no device can be given directly.
final class ByteStore: MMIODevice {
    private let memory: GuestRAM
    private let size: UInt64

    /// All zeroes; `size` is in bytes.
    init(size: UInt64) throws {
        memory = try GuestRAM(pagesFor: size)
        self.size = size
    }

    func read(offset: UInt64, width: Int) -> UInt64? {
        guard contains(offset, width) else { return nil }
        var value: UInt64 = 0
        for index in 0..<width {
            let byte = memory.base.load(fromByteOffset: Int(offset) + index, as: UInt8.self)
            value |= UInt64(byte) << UInt64(8 * index)
        }
        return value
    }

    func write(offset: UInt64, width: Int, value: UInt64) -> Bool {
        guard contains(offset, width) else { return false }
        for index in 0..<width {
            memory.base.storeBytes(
                of: UInt8(truncatingIfNeeded: value >> UInt64(8 * index)),
                toByteOffset: Int(offset) + index, as: UInt8.self)
        }
        return true
    }

    private func contains(_ offset: UInt64, _ width: Int) -> Bool {
        offset < size && UInt64(width) <= size - offset
    }
}

extension GuestRAM {
    /// As many whole pages as `size` bytes need.
    convenience init(pagesFor size: UInt64) throws(GuestMemoryError) {
        let mask = UInt64(Self.pageSize - 1)
        try self.init(size: Int(clamping: size.addingReportingOverflow(mask).partialValue & ~mask))
    }
}
