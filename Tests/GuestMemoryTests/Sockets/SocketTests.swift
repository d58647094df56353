import Glibc
import GuestMemory
import XCTest

@testable import TestSupport

/// Guest buffers sent and received as a network card would, without copies.
/// See docs/guest-memory.md, D11.
final class SocketTests: XCTestCase {
    /// The two ends of a wire.
    private struct Wire {
        let near: Descriptor
        let far: Descriptor

        init(_ kind: __socket_type) throws {
            var ends: [CInt] = [-1, -1]
            try SystemCall.check(
                SystemCall.result(
                    socketpair(AF_UNIX, CInt(kind.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends)),
                "socketpair")
            near = Descriptor(ends[0])
            far = Descriptor(ends[1])
        }

        /// sendmsg(2): how many bytes went.
        func send(_ vectors: UnsafeBufferPointer<iovec>) throws -> Int {
            try transfer(vectors, "sendmsg") { sendmsg(near.raw, $0, CInt(MSG_NOSIGNAL)) }
        }

        /// recvmsg(2): how many bytes came.
        func receive(into vectors: UnsafeBufferPointer<iovec>) throws -> Int {
            try transfer(vectors, "recvmsg") { recvmsg(far.raw, $0, 0) }
        }

        private func transfer(
            _ vectors: UnsafeBufferPointer<iovec>, _ name: String,
            _ call: (UnsafeMutablePointer<msghdr>) -> Int
        ) throws -> Int {
            var message = msghdr()
            message.msg_iov = UnsafeMutablePointer(mutating: vectors.baseAddress)
            message.msg_iovlen = vectors.count
            let count = call(&message)
            return Int(try SystemCall.check(SystemCall.result(CInt(count)), name))
        }
    }

    private func list(_ elements: [(GuestAddress, UInt64)]) -> ScatterGatherList {
        ScatterGatherList(elements.map { ($0.0, $0.1) })
    }

    func testAPacketFromScatteredBuffersToOthers() throws {
        let guest = try Guest()
        let wire = try Wire(SOCK_DGRAM)
        let mapper = try DMAMapper(guest.space)
        // A header and two fragments; the second is a stretch of ROM.
        let packet = list([(0x1ff0, 42), (0x9123, 4000), (Guest.romBase + 5, 1000)])
        let expected =
            try guest.space.bytes(at: 0x1ff0, count: 42)
            + guest.space.bytes(at: 0x9123, count: 4000)
            + guest.space.bytes(at: Guest.romBase + 5, count: 1000)
        let sent = try mapper.map(packet, .toDevice)
        XCTAssertTrue(sent.vectors.allSatisfy(guest.isDirect))
        XCTAssertEqual(sent.vectors.count, 3)
        XCTAssertEqual(sent.length, 5042)
        XCTAssertEqual(try wire.send(sent.vectors), 5042)
        try sent.unmap()
        XCTAssertEqual(guest.takeDirty(), [[], [], []])

        let received = try mapper.map(list([(0x50800, 2048), (0x30000, 4096)]), .fromDevice)
        XCTAssertTrue(received.vectors.allSatisfy(guest.isDirect))
        let count = try wire.receive(into: received.vectors)
        XCTAssertEqual(count, 5042)
        try received.unmap(written: UInt64(count))
        assertBytes(
            try guest.space.bytes(at: 0x50800, count: 2048)
                + guest.space.bytes(at: 0x30000, count: 5042 - 2048), expected)
        XCTAssertEqual(guest.takeDirty(), [[0x30, 0x50], [], []])
        XCTAssertEqual(mapper.statistics.bouncedBytes, 0)
        XCTAssertEqual(mapper.statistics.allocatedTransfers, 1, "one at a time")
    }

    func testTheFormForASingleBuffer() throws {
        let guest = try Guest()
        let wire = try Wire(SOCK_STREAM)
        let mapper = try DMAMapper(guest.space)
        let expected = guest.ram.bytes(0x2345..<0x2345 + 1500)
        let sent = try mapper.map(address: 0x2345, length: 1500, .toDevice)
        let received = try mapper.map(address: 0x7fff, length: 1500, .fromDevice)
        XCTAssertEqual(guest.ram.offset(of: sent.vectors[0].iov_base), 0x2345)
        XCTAssertEqual(guest.ram.offset(of: received.vectors[0].iov_base), 0x7fff)
        XCTAssertEqual(mapper.statistics.active, 2)
        XCTAssertEqual(try wire.send(sent.vectors), 1500)
        XCTAssertEqual(try wire.receive(into: received.vectors), 1500)
        try received.unmap()
        try sent.unmap()
        assertBytes(guest.ram.bytes(0x7fff..<0x7fff + 1500), expected)
        XCTAssertEqual(guest.takeDirty(), [[7, 8], [], []])
        XCTAssertEqual(mapper.statistics.active, 0)
        for (address, length, code) in [
            (Guest.hole, 1, .hole), (0, 0, .zeroLength), (.max, 2, .addressWraps),
        ] as [(GuestAddress, UInt64, GuestMemoryError.Code)] {
            XCTAssertThrowsError(
                try mapper.map(address: address, length: length, .toDevice).unmap()
            ) { XCTAssertEqual(($0 as? GuestMemoryError)?.code, code) }
        }
    }

    // MARK: Less than there is room for

    /// Receives less than the buffers hold; what lies behind stays as it was, and clean.
    private func checkShort(
        _ guest: Guest, _ elements: [(GuestAddress, UInt64)], count: Int, dirty: [Int],
        options: DMAOptions = DMAOptions(), line: UInt = #line
    ) throws {
        let wire = try Wire(SOCK_DGRAM)
        let mapper = try DMAMapper(guest.space, options: options)
        let content = pattern(count, seed: 9)
        XCTAssertEqual(
            content.withUnsafeBytes { write(wire.near.raw, $0.baseAddress, count) }, count)
        let before = try elements.flatMap { try guest.space.bytes(at: $0.0, count: Int($0.1)) }
        let mapping = try mapper.map(list(elements), .fromDevice)
        let received = try wire.receive(into: mapping.vectors)
        XCTAssertEqual(received, count)
        try mapping.unmap(written: UInt64(received))
        let after = try elements.flatMap { try guest.space.bytes(at: $0.0, count: Int($0.1)) }
        assertBytes(after, content + before[count...], line: line)
        XCTAssertEqual(guest.ram.dirtyLog.takePages(), dirty, line: line)
    }

    func testAShortPacketDirtiesOnlyItsOwnPages() throws {
        let pages = [(0x9000, 4096), (0x3000, 4096), (0x6000, 4096)] as [(GuestAddress, UInt64)]
        for options in [DMAOptions(), DMAOptions(forceBounce: true), DMAOptions(cacheLimit: 0)] {
            let guest = try Guest()
            try checkShort(guest, pages, count: 60, dirty: [9], options: options)
            try checkShort(guest, pages, count: 4096, dirty: [9], options: options)
            try checkShort(guest, pages, count: 4097, dirty: [3, 9], options: options)
            try checkShort(guest, pages, count: 8192, dirty: [3, 9], options: options)
            // One stretch of several pages, and one that begins within a page.
            try checkShort(
                guest, [(0x9800, 0x5000)], count: 0x801, dirty: [9, 10], options: options)
            try checkShort(guest, [(0x9800, 0x5000)], count: 0x800, dirty: [9], options: options)
        }
    }

    func testAShortPacketInAMixedList() throws {
        let guest = try Guest()
        let list =
            [(0x9000, 100), (Guest.registersBase, 200), (0x3000, 5000)] as [(GuestAddress, UInt64)]
        try checkShort(guest, list, count: 50, dirty: [9])
        XCTAssertEqual(guest.registers.accesses.filter { $0.written != nil }, [])
        try checkShort(guest, list, count: 300, dirty: [9])
        try checkShort(guest, list, count: 301, dirty: [3, 9])
        try checkShort(guest, list, count: 300 + 4097, dirty: [3, 4, 9])
    }

    func testNothingCame() throws {
        let guest = try Guest()
        let wire = try Wire(SOCK_STREAM)
        let mapper = try DMAMapper(guest.space)
        wire.near.close()
        let before = guest.content
        for elements in [[(0x1000, 4096)], [(0x1001, 9000), (Guest.registersBase, 8)]]
            as [[(GuestAddress, UInt64)]]
        {
            let mapping = try mapper.map(list(elements), .fromDevice)
            XCTAssertEqual(try wire.receive(into: mapping.vectors), 0)
            try mapping.unmap(written: 0)
        }
        XCTAssertTrue(guest.content == before)
        XCTAssertEqual(guest.takeDirty(), [[], [], []])
    }

    func testAForgottenMappingDirtiesAllOfIt() throws {
        let guest = try Guest()
        let mapper = try DMAMapper(guest.space)
        do {
            let mapping = try mapper.map(list([(0x1000, 8192), (0x8000, 1)]), .fromDevice)
            memset(mapping.vectors[0].iov_base, 0, 8192)
        }
        XCTAssertEqual(guest.takeDirty(), [[1, 2, 8], [], []])
        XCTAssertEqual(mapper.statistics.active, 0)
    }

    func testWhatTheDeviceRefusesIsAnError() throws {
        let guest = try Guest()
        guest.registers.refuse(0x20..<0x21)
        let mapper = try DMAMapper(guest.space)
        XCTAssertThrowsError(
            try mapper.map(address: Guest.registersBase, length: 64, .fromDevice).unmap()
        ) {
            XCTAssertEqual(($0 as? GuestMemoryError)?.code, .deviceRefused)
            XCTAssertEqual(($0 as? GuestMemoryError)?.address, Guest.registersBase + 0x20)
        }
        XCTAssertEqual(mapper.statistics.active, 0)
    }
}
