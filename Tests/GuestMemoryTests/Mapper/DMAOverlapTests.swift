import BlockDMA
import BlockIO
import BlockIOTesting
import GuestMemory
import XCTest

@testable import TestSupport

/// Elements that overlap: the last in the list wins, in whatever order the host fills them.
final class DMAOverlapTests: ConformanceTestCase {
    private static let alias: GuestAddress = 1 << 40

    /// Lists of 512-byte multiples, and why they are hard.
    private static let lists: [(String, [(GuestAddress, UInt64)])] = [
        ("the same twice", [(4096, 4096), (4096, 4096)]),
        ("the same many times", (0..<50).map { _ in (4096, 512) }),
        // What the block layer bounces for its address it copies after the others are there.
        ("odd, then even over it", [(4097, 8192), (4096, 4096), (16_384, 4096)]),
        ("even, then odd over it", [(4096, 8192), (5001, 4096)]),
        ("small in large", [(4096, 16_384), (8192, 512)]),
        ("large over small", [(8192, 512), (4096, 16_384)]),
        ("a chain", [(4096, 8192), (9000, 8192), (13_000, 512), (4096, 512)]),
        // Overlaps that only the last granule of a hash shows.
        ("over a page border", [(12_188, 200), (12_288, 512), (20_480, 312)]),
        ("one byte", [(4096, 4096), (8191, 511), (12_288, 1)]),
        ("by way of an alias", [(4097, 4096), (alias, 4096), (20_480, 4096)]),
        (
            "among registers",
            [
                (4097, 4000), (Guest.registersBase, 96), (4096, 4096), (Guest.registersBase, 512),
                (4096 + 4000, 512),
            ]
        ),
        (
            "registers only", [(Guest.registersBase, 1024), (Guest.registersBase + 512, 512)]
        ),
        ("far apart and then both", [(4096, 512), (65_536, 512), (0, 131_072)]),
    ]

    private func isWanted(_ configuration: Configuration) -> Bool {
        configuration.threading == .owned && configuration.target != .zram
    }

    func testTheLastWinsOnEveryStorage() throws {
        var random = SplitMix64(seed: Seed.value)
        let content = AlignedBuffer(count: 1 << 20)
        content.fill(using: &random)
        let expected = try Self.lists.map { try expectation(guest(), $0.1, content) }
        try forEachTarget(size: 1 << 20, where: isWanted) { configuration, target in
            let image = try configuration.open(target)
            let queue = try configuration.queue(
                on: image, QueueOptions().checked())
            defer { queue.close() }
            try PlainFile(target.path, direct: image.caching == .direct)
                .write(content.bytes, at: 0)

            for ((name, elements), expected) in zip(Self.lists, expected) {
                for options in [
                    DMAOptions(), DMAOptions(forceBounce: true), DMAOptions(bounceLimit: 512),
                ] {
                    let guest = try guest()
                    let mapper = try DMAMapper(guest.space, options: options)
                    let result = try queue.carryOut(
                        ScatterGatherList(elements.map { ($0.0, $0.1) }), .fromDevice, on: mapper,
                        at: 0)
                    XCTAssertEqual(result.outcome, .success, name)
                    assertBytes(guest.ram.bytes(0..<guest.ram.size), expected.ram, name)
                    assertBytes(guest.registers.bytes, expected.registers, name)
                    XCTAssertEqual(guest.takeDirty()[0], expected.pages, name)
                }
            }
        }
    }

    private func guest() throws -> Guest {
        let guest = try Guest()
        try guest.space.map(.ram(guest.ram, offset: 4096, size: 8192), at: Self.alias)
        return guest
    }

    /// Byte by byte in the order of the list.
    private func expectation(
        _ guest: Guest, _ elements: [(GuestAddress, UInt64)], _ content: AlignedBuffer
    ) -> (ram: [UInt8], registers: [UInt8], pages: [Int]) {
        var ram = guest.ram.bytes(0..<guest.ram.size)
        var registers = guest.registers.bytes
        var pages: Set<Int> = []
        var position = 0
        for (address, length) in elements {
            for byte in 0..<length {
                let address = address + byte
                let value = content.bytes[position]
                position += 1
                if address >= Guest.registersBase && address < Self.alias {
                    registers[Int(address.offset(from: Guest.registersBase))] = value
                } else {
                    let isAlias = address >= Self.alias
                    let place = Int(
                        isAlias ? address.offset(from: Self.alias) + 4096 : address.rawValue)
                    ram[place] = value
                    pages.insert(place / 4096)
                }
            }
        }
        return (ram, registers, pages.sorted())
    }

    /// No host address is given to the device twice in one request.
    func testNoHostMemoryIsGivenTwice() throws {
        for (name, elements) in Self.lists {
            let guest = try guest()
            let mapper = try DMAMapper(guest.space)
            var device = MemoryDevice(pattern(Int(elements.reduce(0) { $0 + $1.1 })))
            let list = ScatterGatherList(elements.map { ($0.0, $0.1) })
            _ = device.carryOut(list, .fromDevice, on: mapper)
            for piece in device.pieces {
                var given = RangeSet<UInt>()
                for vector in piece.vectors {
                    let start = UInt(bitPattern: vector.iov_base)
                    let range = start..<start + UInt(vector.iov_len)
                    XCTAssertTrue(given.isDisjoint(RangeSet(range)), name)
                    given.insert(contentsOf: range)
                }
            }
            // Only what comes again bounces.
            XCTAssertTrue(
                device.vectors.first.map(guest.isDirect) ?? false || name == "registers only")
        }
    }

    /// Inverts what goes through one part of the addresses, which leads to the same memory.
    private final class Inverter: AddressResolver {
        static let window: GuestAddress = 1 << 44

        func resolve(
            _ address: GuestAddress, length: UInt64, direction: DMADirection
        ) throws(GuestMemoryError) -> ResolvedRange {
            let isTransformed = address >= Self.window
            return ResolvedRange(
                address: isTransformed ? address - Self.window.rawValue : address, length: length,
                isTransformed: isTransformed)
        }

        func transform(_ bytes: UnsafeMutableRawBufferPointer, direction: DMADirection) {
            for index in bytes.indices { bytes[index] = ~bytes[index] }
        }
    }

    /// What is copied because it is transformed does not come over what is direct and later.
    func testTransformedElementsKeepTheOrderToo() throws {
        let guest = try Guest()
        let mapper = try DMAMapper(guest.space, resolvers: [Inverter()])
        var device = MemoryDevice(pattern(2048))
        let list = ScatterGatherList([
            (65_536, 512), (Inverter.window + 4096, 1024), (4352, 512),
        ])
        XCTAssertEqual(
            device.carryOut(list, .fromDevice, on: mapper), DMAResult(.success, 2048))
        let medium = device.medium
        assertBytes(
            guest.ram.bytes(4096..<5120),
            medium[512..<768].map { ~$0 } + medium[1536...] + medium[1280..<1536].map { ~$0 })
    }

    /// To read the same memory twice is nobody's business.
    func testOverlapsThatAreReadStayDirect() throws {
        let guest = try Guest()
        let mapper = try DMAMapper(guest.space)
        var device = MemoryDevice([UInt8](repeating: 0, count: 12_800))
        let list = ScatterGatherList([(4096, 8192), (5001, 4096), (4096, 512)])
        XCTAssertEqual(device.carryOut(list, .toDevice, on: mapper)?.outcome, .success)
        XCTAssertEqual(mapper.statistics.bouncedBytes, 0)
        assertBytes(
            device.medium,
            guest.ram.bytes(4096..<12_288) + guest.ram.bytes(5001..<9097)
                + guest.ram.bytes(4096..<4608))
    }

    /// A long list in any order, with one overlap far from its ends.
    func testOnlyWhatOverlapsBounces() throws {
        var random = SplitMix64(seed: Seed.value)
        let space = try AddressSpace()
        let ram = try GuestRAM(size: 64 << 20)
        try space.map(.ram(ram), at: 0)
        let mapper = try DMAMapper(space)
        var places = (0..<4096 as Range<UInt64>).shuffled(using: &random)
        places.insert(places[1000], at: 3000)
        let list = ScatterGatherList(places.map { (GuestAddress($0) * 16_384, 4096) })
        let (transfer, step) = mapper.begin(list, .fromDevice)
        guard case .submit(let piece) = step else { return XCTFail("\(step)") }
        let bounced = piece.vectors.indices.filter {
            ram.offset(of: piece.vectors[$0].iov_base) == nil
        }
        XCTAssertEqual(bounced, [3000], Seed.text)
        XCTAssertEqual(piece.length, 4097 * 4096)
        _ = transfer.pieceEnded(transferred: 0, isSuccess: false)
    }

    /// Lists in any order that do not overlap stay direct, however close the elements are.
    func testDisjointElementsInAnyOrderStayDirect() throws {
        var random = SplitMix64(seed: Seed.value)
        for _ in 0..<50 {
            let guest = try Guest()
            let mapper = try DMAMapper(guest.space)
            var cuts = Set((0..<random.number(2...200)).map { _ in random.number(0...1 << 20) })
            cuts.formUnion([0, 1 << 20])
            let sorted = cuts.sorted()
            let elements = zip(sorted, sorted.dropFirst()).map {
                (GuestAddress($0), UInt64($1 - $0))
            }
            .shuffled(using: &random)
            let list = ScatterGatherList(elements.map { ($0.0, $0.1) })
            let (transfer, step) = mapper.begin(list, .fromDevice)
            guard case .submit(let piece) = step else { return XCTFail("\(step)") }
            XCTAssertTrue(piece.vectors.allSatisfy(guest.isDirect), Seed.text)
            XCTAssertEqual(piece.length, 1 << 20)
            _ = transfer.pieceEnded(transferred: 0, isSuccess: false)
        }
    }
}
