import Glibc
import GuestMemory
import XCTest

@testable import TestSupport

/// Map and unmap without a transfer of steps (docs/guest-memory.md, D11).
final class DMAMappingTests: XCTestCase {
    private func assertRefuses(
        _ code: GuestMemoryError.Code, at address: GuestAddress, line: UInt = #line,
        _ body: () throws -> Void
    ) {
        XCTAssertThrowsError(try body(), line: line) {
            XCTAssertEqual(($0 as? GuestMemoryError)?.code, code, line: line)
            XCTAssertEqual(($0 as? GuestMemoryError)?.address, address, line: line)
        }
    }

    func testMemoryIsMappedWhereItIs() throws {
        let guest = try Guest()
        let mapper = try DMAMapper(guest.space)
        let mapping = try mapper.map(address: 4095, length: 4098, .fromDevice)
        XCTAssertEqual(mapping.length, 4098)
        XCTAssertEqual(mapping.vectors.count, 1)
        XCTAssertEqual(mapping.vectors[0].iov_base, guest.ram.base + 4095)
        XCTAssertEqual(mapper.statistics.active, 1)
        memset(mapping.vectors[0].iov_base, 0xaa, 4098)
        XCTAssertEqual(guest.takeDirty()[0], [])
        try mapping.unmap()
        XCTAssertEqual(guest.takeDirty()[0], [0, 1, 2])
        XCTAssertEqual(mapper.statistics.active, 0)
    }

    func testWhatBouncedIsCopiedAtUnmap() throws {
        let guest = try Guest()
        let mapper = try DMAMapper(guest.space)
        let list = ScatterGatherList([
            (Guest.registersBase, 100), (512, 10), (Guest.registersBase + 200, 50),
        ])
        let read = try mapper.map(list, .toDevice)
        var gathered: [UInt8] = []
        for vector in read.vectors {
            gathered += UnsafeRawBufferPointer(start: vector.iov_base, count: vector.iov_len)
        }
        assertBytes(
            gathered,
            guest.registers.bytes[..<100] + guest.ram.bytes(512..<522)
                + guest.registers.bytes[200..<250])
        let written = try mapper.map(list, .fromDevice)
        for vector in written.vectors { memset(vector.iov_base, 0x5a, vector.iov_len) }
        XCTAssertNotEqual(guest.registers.bytes[0..<4], [0x5a, 0x5a, 0x5a, 0x5a])
        try written.unmap(written: 120)
        try read.unmap()
        XCTAssertEqual(guest.registers.bytes[..<100], [UInt8](repeating: 0x5a, count: 100)[...])
        XCTAssertEqual(guest.registers.bytes[200..<210], [UInt8](repeating: 0x5a, count: 10)[...])
        XCTAssertEqual(
            Array(guest.registers.bytes[210..<250]), Array(Guest.registerContent[210..<250]))
        XCTAssertEqual(guest.space.bouncePool.available, guest.space.bouncePool.size)
    }

    func testWhoeverForgetsToUnmapMayHaveWrittenAll() throws {
        let guest = try Guest()
        let mapper = try DMAMapper(guest.space)
        do {
            let mapping = try mapper.map(address: 0, length: 8192, .fromDevice)
            XCTAssertEqual(mapping.length, 8192)
        }
        XCTAssertEqual(guest.takeDirty()[0], [0, 1])
        XCTAssertEqual(mapper.statistics.active, 0)
    }

    func testErrorsOfTheListAreThrown() throws {
        let guest = try Guest()
        let mapper = try DMAMapper(guest.space)
        assertRefuses(.emptyList, at: 0) { _ = try mapper.map(ScatterGatherList(), .toDevice) }
        assertRefuses(.hole, at: 1 << 20) {
            _ = try mapper.map(address: 1 << 20 - 1, length: 2, .toDevice)
        }
        assertRefuses(.zeroLength, at: 5) { _ = try mapper.map(address: 5, length: 0, .toDevice) }
        assertRefuses(.addressWraps, at: .max) {
            _ = try mapper.map(address: .max, length: 2, .toDevice)
        }
        guest.registers.refuse(0..<8)
        assertRefuses(.deviceRefused, at: Guest.registersBase + 4) {
            _ = try mapper.map(address: Guest.registersBase + 4, length: 2, .toDevice)
        }
        let mapping = try mapper.map(address: Guest.registersBase + 4, length: 2, .fromDevice)
        var isThrown = false
        do {
            try mapping.unmap()
        } catch {
            isThrown = error.code == .deviceRefused
        }
        XCTAssertTrue(isThrown)
        XCTAssertEqual(mapper.statistics.active, 0)
        XCTAssertEqual(guest.space.bouncePool.available, guest.space.bouncePool.size)
    }

    func testAMappingIsAllOrNothing() throws {
        let guest = try Guest(bounceLimit: 8192)
        let mapper = try DMAMapper(guest.space)
        assertRefuses(.bounceUnavailable, at: Guest.registersBase) {
            _ = try mapper.map(address: Guest.registersBase, length: 8193, .fromDevice)
        }
        let first = try mapper.map(address: Guest.registersBase, length: 4096, .toDevice)
        assertRefuses(.bounceUnavailable, at: Guest.registersBase) {
            _ = try mapper.map(address: Guest.registersBase, length: 8192, .toDevice)
        }
        let second = try mapper.map(address: Guest.registersBase, length: 4096, .toDevice)
        // What is direct needs nothing of the pool.
        let third = try mapper.map(address: 0, length: 1 << 20, .toDevice)
        XCTAssertEqual(guest.space.bouncePool.available, 0)
        XCTAssertEqual(guest.space.bouncePool.waiting, 0)
        try first.unmap()
        try second.unmap()
        try third.unmap()
        XCTAssertEqual(guest.space.bouncePool.available, 8192)
        XCTAssertEqual(mapper.statistics.active, 0)
    }

    func testMappingsOutliveTheirMapper() throws {
        let guest = try Guest()
        var mapper: DMAMapper? = try DMAMapper(guest.space)
        let mapping = try mapper!.map(address: Guest.registersBase, length: 4, .fromDevice)
        mapper = nil
        memset(mapping.vectors[0].iov_base, 0x77, 4)
        try mapping.unmap()
        XCTAssertEqual(guest.registers.bytes[..<4], [0x77, 0x77, 0x77, 0x77])
    }
}
