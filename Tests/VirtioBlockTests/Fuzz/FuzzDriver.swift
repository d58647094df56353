import BlockDMA
import BlockIO
import BlockIOTesting
import Glibc
import GuestMemory

@testable import TestSupport
@testable import VirtioBlock

/// A driver that writes mostly good requests, and then changes them at random.
///
/// The guest has 4 MiB. Rings and descriptors are below 2 MiB, what the device may write from 2 MiB to 3 MiB,
/// and nothing names the last MiB, which has to stay as it is. Writes go to the first half of the image.
final class FuzzDriver {
    struct Finding: Error { let text: String }

    /// What has happened.
    struct Tally {
        var descriptors = 0
        var requests = 0
        var tables = 0
        var good = 0
        var errors = 0
        var unsupported = 0
        var resets = 0
        var parked = 0
        var interrupts = 0
        var mapChanges = 0
        var injected = 0
        var faults: [VirtioRingFault: Int] = [:]

        var counts: [(String, Int)] {
            [
                ("descriptors", descriptors), ("requests", requests), ("tables", tables),
                ("succeeded", good), ("failed", errors), ("unsupported", unsupported),
                ("resets", resets), ("kept", parked), ("interrupts", interrupts),
                ("changes of the map", mapChanges), ("host faults", injected),
            ]
        }

        var text: String {
            counts.map { "\($0.1) \($0.0)" }.joined(separator: ", ")
                + "; broken rings: \(faults.values.reduce(0, +))"
        }

        mutating func add(_ other: Tally) {
            descriptors += other.descriptors
            requests += other.requests
            tables += other.tables
            good += other.good
            errors += other.errors
            unsupported += other.unsupported
            resets += other.resets
            parked += other.parked
            interrupts += other.interrupts
            mapChanges += other.mapChanges
            injected += other.injected
            faults.merge(other.faults) { $0 + $1 }
        }
    }

    static let imageSize = 1 << 18
    private static let memorySize = 4 << 20
    private static let data: UInt64 = 2 << 20
    private static let forbidden = 3 << 20
    private static let registers: UInt64 = 0x4000_0000

    private(set) var tally = Tally()
    private var random: SplitMix64
    private let ram: GuestRAM
    private let space: AddressSpace
    private let queue: VirtioBlockQueue
    private let faults: FaultInjector
    private let driver: RingDriver
    private let plain: PlainFile
    private var cover: MappedRegion?

    init(_ target: StorageTarget, seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let engine = EngineKind.allCases[Int(seed % 3)]
        plain = try PlainFile(target.path, direct: false)
        let content = AlignedBuffer(count: Self.imageSize)
        content.fill(0x11)
        try plain.write(content.bytes, at: 0)
        let image = try BlockImage.open(
            target.path, OpenOptions(access: .readWrite, engine: .forced(engine)))
        ram = try GuestRAM(size: Self.memorySize)
        memset(ram.base + Self.forbidden, 0x5C, Self.memorySize - Self.forbidden)
        space = try AddressSpace(bounceLimit: 4096)
        try space.map(.ram(ram), at: 0)
        try space.map(
            .mmio(ByteDevice(size: 65536), size: 65536), at: GuestAddress(Self.registers))
        faults = FaultInjector(seed: seed)
        var options = VirtioBlockOptions(serial: "fuzz")
        options.readErrorPolicy = ErrorPolicy.allCases.randomElement(using: &random) ?? .report
        options.writeErrorPolicy = ErrorPolicy.allCases.randomElement(using: &random) ?? .report
        let device = try VirtioBlockDevice(image, options)
        var features = device.offeredFeatures
        let hasEventIndex = Bool.random(using: &random)
        if !hasEventIndex { features.remove(.eventIndex) }
        if random.number(0...4) == 0 { features.remove(.indirectDescriptors) }
        guard device.acceptFeatures(features) else { throw Finding(text: "features") }
        queue = try VirtioBlockQueue(
            device, BlockQueue(image, QueueOptions().checked(with: faults)), on: space)
        let size = [4, 16, 64, 256].randomElement(using: &random) ?? 64
        driver = RingDriver(ram, size: size, hasEventIndex: hasEventIndex)
        self.random = random
        try queue.start(driver.layout)
    }

    /// Runs until so many descriptors were written, and checks what must not have changed.
    func run(descriptors: Int) throws {
        while tally.descriptors < descriptors {
            switch random.number(0...99) {
            case 0..<70: addSome()
            case 70..<78: spoil()
            case 78..<82: addFault()
            case 82..<84: try changeMap()
            case 84..<86: try reset()
            case 86..<90:
                tally.parked += queue.keptHeads.count
                queue.retry()
            default: break
            }
            visit()
            if queue.fault != nil && random.number(0...3) == 0 { try reset() }
        }
        faults.release()
        try reset()
        tally.injected = faults.injectedCount
        try check()
    }

    private func visit() {
        let service = queue.serve { tally.interrupts += 1 }
        if service.isInterruptDue { tally.interrupts += 1 }
        if service.isBroken {
            guard let fault = queue.fault else { return }
            tally.faults[fault, default: 0] += 1
        }
        if random.number(0...3) == 0 { faults.release() }
        for (head, _) in driver.reap() {
            switch driver.load(header(head) + 32, as: UInt8.self) {
            case VirtioStatus.ok: tally.good += 1
            case VirtioStatus.ioError: tally.errors += 1
            case VirtioStatus.unsupported: tally.unsupported += 1
            default: break
            }
        }
    }

    // MARK: Requests

    private func header(_ head: UInt16) -> UInt64 { 0x10_0000 + UInt64(head) * 64 }

    /// A place that the device may write or read, mostly.
    private func place() -> UInt64 {
        switch random.number(0...60) {
        case 0: return 0x2000_0000
        case 1: return Self.registers + UInt64(random.number(0...65535))
        case 2: return UInt64.max - UInt64(random.number(0...4096))
        default: return Self.data + UInt64(random.number(0...(1 << 20) - 65536))
        }
    }

    private func addSome() {
        var heads: [UInt16] = []
        for _ in 0..<random.number(1...8) {
            guard driver.freeDescriptors >= 8 || driver.size == 4 && driver.freeDescriptors == 4
            else { break }
            heads.append(driver.nextHead)
            add()
        }
        if let head = heads.randomElement(using: &random), random.number(0...2) == 0 {
            spoil(near: head)
        }
        driver.publish()
    }

    private func add() {
        let types = [
            VirtioType.read, VirtioType.read, VirtioType.read, VirtioType.write,
            VirtioType.write, VirtioType.flush, VirtioType.identify, VirtioType.discard,
            // Not a type that there is. A spoiled chain can make a header the range of a discard: its type is
            // then the first sector and its sector the number of sectors, and 55 + 200 is in the first half.
            VirtioType.writeZeroes, 55,
        ]
        let type = types.randomElement(using: &random) ?? 0
        var segments: [RingDriver.Segment] = []
        let isWritable = type == VirtioType.read || type == VirtioType.identify
        let limit = driver.size == 4 ? 1 : 5
        for _ in 0..<random.number(0...limit) where type != VirtioType.flush {
            let length =
                random.number(0...2) == 0 ? random.number(1...5000) : 512 * random.number(1...8)
            segments.append(
                .init(address: place(), length: UInt32(length), isWritable: isWritable))
        }
        if type == VirtioType.discard || type == VirtioType.writeZeroes {
            let place = Self.data + UInt64(random.number(0...1000)) * 16
            driver.store(UInt64(random.number(0...200)), at: place)
            driver.store(UInt32(random.number(0...56)), at: place + 8)
            driver.store(
                UInt32(random.number(0...4) == 0 ? random.number(0...3) : 0), at: place + 12)
            segments = [.init(address: place, length: 16)]
        }
        let head = driver.nextHead
        driver.store(type, at: header(head))
        // Writes end in the first half, with up to 5 * 5000 bytes.
        driver.store(
            UInt64(random.number(0...20) == 0 ? .max : random.number(0...200)), at: header(head) + 8
        )
        driver.store(VirtioStatus.untouched, at: header(head) + 32)
        let isTable = random.number(0...1) == 0
        driver.add(
            [.init(address: header(head), length: 16)] + segments
                + [.init(address: header(head) + 32, length: 1, isWritable: true)],
            isIndirect: isTable)
        tally.requests += 1
        tally.descriptors += segments.count + 2
        if isTable { tally.tables += 1 }
    }

    /// Changes descriptors and indices that the device may be about to read. What is written names no
    /// memory of the last MiB.
    private func spoil(near head: UInt16? = nil) {
        let first = Int(head ?? UInt16(random.number(0...driver.size - 1)))
        let number = random.number(0...3)
        let index = (first + number) % driver.size
        let place =
            random.number(0...1) == 0
            ? driver.base + UInt64(16 * index)
            : driver.table(UInt16(first)) + UInt64(16 * number)
        tally.descriptors += 1
        switch random.number(0...11) {
        case 0: driver.store(UInt16(random.number(0...7)), at: place + 12)
        case 1: driver.store(UInt16(random.number(0...driver.size + 1)), at: place + 14)
        case 2: driver.store(UInt32(random.number(0...40)), at: place + 8)
        case 3: driver.store(self.place(), at: place)
        case 4: driver.store(UInt32.max, at: place + 8)
        case 5: driver.offer(UInt16(random.number(0...driver.size)))
        case 6: driver.offer(driver.nextHead)
        case 7 where random.number(0...3) == 0:
            driver.store(UInt16(random.number(0...65535)), at: driver.available + 2)
        case 8: driver.store(UInt16(4), at: driver.base + UInt64(16 * index) + 12)
        case 9: driver.store(UInt16(random.number(0...1)), at: driver.available)
        case 10: driver.store(UInt16(random.number(0...65535)), at: driver.used + 2)
        default:
            driver.store(
                UInt64(16 * random.number(0...4)), at: driver.base + UInt64(16 * index) + 8)
        }
    }

    // MARK: The host

    private func addFault() {
        let kinds: [FaultInjector.Fault] = [
            .error(EIO), .error(ENOSPC), .short(512 * random.number(0...3)), .hold, .reorder,
            .refuse,
        ]
        faults.add(
            .init(kinds.randomElement(using: &random) ?? .reorder, count: random.number(1...4)))
    }

    /// Covers the ring with a hole, or takes the hole away.
    private func changeMap() throws {
        tally.mapChanges += 1
        if let cover {
            try space.unmap(cover)
            self.cover = nil
        } else {
            let part = [driver.base, driver.available, driver.used].randomElement(using: &random)
            cover = try space.map(
                .hole(size: 4096), at: GuestAddress(part ?? driver.base), priority: 1)
        }
    }

    private func reset() throws {
        tally.resets += 1
        if let cover {
            try space.unmap(cover)
            self.cover = nil
        }
        queue.reset()
        faults.release()
        // Rules that hold what is submitted later have a limit.
        while queue.isResetting {
            _ = queue.serve()
            faults.release()
        }
        driver.restart()
        try queue.start(driver.layout)
    }

    // MARK: What must not have changed

    private func check() throws {
        let rest = UnsafeRawBufferPointer(
            start: ram.base + Self.forbidden, count: Self.memorySize - Self.forbidden)
        guard rest.allSatisfy({ $0 == 0x5C }) else { throw Finding(text: "guest memory") }
        let half = Self.imageSize / 2
        let image = try plain.contents(at: half, half)
        let wrong = image.bytes.indices.filter { image.bytes[$0] != 0x11 }
        if let first = wrong.first, let last = wrong.last {
            let place = "\(wrong.count) bytes from \(half + first) to \(half + last)"
            throw Finding(text: "the image: \(place), first \(image.bytes[first])")
        }
        guard queue.mapper.statistics.active == 0 else { throw Finding(text: "transfers") }
        guard queue.isIdle, !queue.isResetting else { throw Finding(text: "requests") }
    }
}
