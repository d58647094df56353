import Glibc
import GuestMemory
import VirtioBlock

@testable import TestSupport

/// A driver that allocates nothing: 40 requests in a ring of 256 descriptors, which it adds again and
/// again. 16 reads and 16 writes of 4 KiB, half of them in tables, 4 flushes, 2 discards and 2 requests
/// for the serial number.
final class FixedRing {
    static let requests = 40
    private static let base: UInt64 = 0x1_0000
    private static let headers: UInt64 = 0x8_0000
    private static let tables: UInt64 = 0x9_0000
    private static let data: UInt64 = 0x10_0000

    private let driver: RingDriver
    private let memory: UnsafeMutableRawPointer
    private var next: UInt16 = 0

    init(_ ram: GuestRAM) {
        memory = ram.base
        driver = RingDriver(ram, size: 256, at: Self.base)
        for index in 0..<Self.requests { write(index) }
    }

    var layout: VirtqueueLayout { driver.layout }

    /// Adds all requests at once, and serves until they are done.
    func run(_ queue: VirtioBlockQueue) {
        for index in 0..<Self.requests {
            let place = driver.available + 4 + 2 * UInt64((Int(next) + index) & 255)
            memory.storeBytes(of: UInt16(4 * index), toByteOffset: Int(place), as: UInt16.self)
        }
        next &+= UInt16(Self.requests)
        memory.storeBytes(of: next, toByteOffset: Int(driver.available + 2), as: UInt16.self)
        _ = queue.serve()
        while memory.load(fromByteOffset: Int(driver.used + 2), as: UInt16.self) != next {
            var entry = pollfd(fd: queue.descriptor, events: Int16(POLLIN), revents: 0)
            _ = poll(&entry, 1, 1000)
            _ = queue.serve()
        }
        for index in 0..<Self.requests { precondition(status(index) == VirtioStatus.ok) }
    }

    private func header(_ index: Int) -> UInt64 { Self.headers + UInt64(64 * index) }

    private func status(_ index: Int) -> UInt8 {
        memory.load(fromByteOffset: Int(header(index)) + 32, as: UInt8.self)
    }

    /// Request `index` has the descriptors from 4 * `index` on.
    private func write(_ index: Int) {
        let place = Self.data + UInt64(8192 * index)
        var length: UInt32 = 4096
        var type = VirtioType.write
        switch index {
        case 0..<16: type = VirtioType.read
        case 16..<32: break
        case 32..<36: (type, length) = (VirtioType.flush, 0)
        case 36..<38:
            (type, length) = (VirtioType.discard, 16)
            driver.store(UInt64(8 * index), at: place)
            driver.store(UInt64(8), at: place + 8)
        default: (type, length) = (VirtioType.identify, 20)
        }
        driver.store(type, at: header(index))
        driver.store(UInt64(8 * index), at: header(index) + 8)
        let isWritable = type == VirtioType.read || type == VirtioType.identify
        let isTable = index % 2 == 1
        let table = isTable ? Self.tables + UInt64(64 * index) : Self.base
        let first = isTable ? 0 : 4 * index
        let next = RingDriver.Flag.next
        driver.writeDescriptor(first, of: table, header(index), 16, next, next: UInt16(first + 1))
        let last = length > 0 ? first + 2 : first + 1
        if length > 0 {
            driver.writeDescriptor(
                first + 1, of: table, place, length,
                next | (isWritable ? RingDriver.Flag.write : 0), next: UInt16(last))
        }
        driver.writeDescriptor(last, of: table, header(index) + 32, 1, RingDriver.Flag.write)
        if isTable {
            driver.writeDescriptor(
                4 * index, of: Self.base, table, UInt32(16 * (last + 1)), RingDriver.Flag.indirect)
        }
    }
}
