import Glibc
import GuestMemory

@testable import TestSupport

/// A random address space, and beside it the same as plain bytes: what the library must do is done
/// to those one byte after the other.
final class ModelSpace {
    /// How many addresses there are, from ``base`` on.
    static let window = 256 << 10

    let space: AddressSpace
    let base: GuestAddress

    /// What is mapped somewhere.
    private struct Region {
        let kind: MemoryRegion.Kind
        /// In the window.
        let start: Int
        /// Which memory is behind it, and from where on; -1 for none.
        let memory: Int
        let memoryOffset: Int
        /// Which device is behind it; -1 for none.
        let store: Int
    }

    private(set) var memory: [GuestRAM] = []
    private(set) var stores: [ByteStore] = []
    private var regions: [Region] = []
    /// For each address of the window the region that is seen, plus one; 0 is a hole.
    private let owner: AlignedBuffer

    /// What memory and devices held at first, and what they must hold now.
    private(set) var initial: [AlignedBuffer] = []
    private(set) var expected: [AlignedBuffer] = []
    /// Pages of `expected` that a transfer wrote to.
    private(set) var written: [Set<Int>] = []
    /// For each byte of `expected` the last position of a transfer that wrote there; -1 for none.
    private(set) var writers: [UnsafeMutableBufferPointer<Int32>] = []

    /// Makes a map. Without `hasDevices` all of it is RAM, ROM and holes.
    init(hasDevices: Bool, bounceLimit: Int, using random: inout SplitMix64) throws {
        space = try AddressSpace(bounceLimit: bounceLimit)
        base = [0, 1 << 32, 0 &- UInt64(Self.window)][random.number(0...2)]
        owner = AlignedBuffer(count: Self.window)
        owner.fill(0)
        for size in [Self.window, 64 << 10, 64 << 10] {
            let ram = try GuestRAM(size: size)
            ram.dirtyLog.start(.migration)
            memory.append(ram)
        }
        var painted: [(priority: Int, index: Int, range: Range<Int>)] = []
        if random.number(0...3) > 0 {
            // Most guests have RAM under everything else.
            try map(.ram, 0, Self.window, memory: 0, memoryOffset: 0, &random)
            painted.append((0, 0, 0..<Self.window))
        }
        for _ in 0..<random.number(1...10) {
            let unit = [1, 512, 4096][random.number(0...2)]
            let length = random.number(1...(40_000 / unit)) * unit
            let start = random.number(0...(Self.window - length) / unit) * unit
            let behind = random.number(0...2)
            let offset = random.number(0...(memory[behind].size - length) / unit) * unit
            let kinds: [MemoryRegion.Kind] =
                hasDevices ? [.ram, .rom, .romDevice, .mmio, .mmio, .hole] : [.ram, .rom, .hole]
            let priority = random.number(0...2)
            try map(
                kinds[random.number(0...kinds.count - 1)], start, length, memory: behind,
                memoryOffset: offset, priority: priority, &random)
            painted.append((priority, regions.count - 1, start..<start + length))
        }
        for (_, index, range) in painted.sorted(by: {
            ($0.priority, $0.index) < ($1.priority, $1.index)
        }) {
            memset(
                owner.slice(range.lowerBound, range.count).baseAddress!,
                regions[index].kind == .hole ? 0 : CInt(index + 1), range.count)
        }
        for count in memory.map(\.size) + stores.map(\.bytes.count) {
            let content = AlignedBuffer(count: count)
            content.fill(using: &random)
            initial.append(content)
            expected.append(AlignedBuffer(count: count))
            writers.append(.allocate(capacity: count))
        }
        restore()
    }

    deinit { for list in writers { list.deallocate() } }

    private func map(
        _ kind: MemoryRegion.Kind, _ start: Int, _ length: Int, memory number: Int,
        memoryOffset: Int, priority: Int = 0, _ random: inout SplitMix64
    ) throws {
        let hasMemory = kind == .ram || kind == .rom || kind == .romDevice
        let hasStore = kind == .romDevice || kind == .mmio
        if hasStore { stores.append(ByteStore(size: length, keepsAccesses: false)) }
        let width = 1 << random.number(0...3)
        let ram = memory[number]
        let region: MemoryRegion =
            switch kind {
            case .ram: .ram(ram, offset: memoryOffset, size: length)
            case .rom: .rom(ram, offset: memoryOffset, size: length)
            case .romDevice:
                .romDevice(
                    ram, offset: memoryOffset, size: length, device: stores.last!,
                    maximumWidth: width)
            case .mmio: .mmio(stores.last!, size: UInt64(length), maximumWidth: width)
            // Memory of another process has tests of its own.
            case .hole, .remote: .hole(size: UInt64(length))
            }
        try space.map(region, at: base &+ UInt64(start), priority: priority)
        regions.append(
            Region(
                kind: kind, start: start, memory: hasMemory ? number : -1,
                memoryOffset: memoryOffset, store: hasStore ? stores.count - 1 : -1))
    }

    /// Everything is again as it was at first, and clean.
    func restore() {
        for (index, ram) in memory.enumerated() {
            memcpy(ram.base, initial[index].bytes.baseAddress!, ram.size)
            _ = ram.dirtyLog.takePages()
        }
        for (index, store) in stores.enumerated() {
            store.bytes = Array(initial[memory.count + index].bytes)
        }
        for (index, content) in expected.enumerated() {
            memcpy(content.bytes.baseAddress!, initial[index].bytes.baseAddress!, content.count)
            memset(writers[index].baseAddress!, 0xff, 4 * content.count)
        }
        written = expected.map { _ in [] }
    }

    /// A random list, of whole sectors if that is wanted.
    func list(
        limit: Int, wholeSectors: Bool, using random: inout SplitMix64
    ) -> [(GuestAddress, UInt64)] {
        var elements: [(GuestAddress, UInt64)] = []
        var total = 0
        func add(_ length: Int) {
            for attempt in 0..<20 {
                let unit = [1, 512, 4096][random.number(0...2)]
                let start = random.number(0...(Self.window - 1) / unit) * unit
                var count = Swift.min(length, Self.window - start)
                let shown = owner.slice(start, count).baseAddress!
                if let hole = memchr(shown, 0, count) { count = hole - shown }
                // A hole now and then.
                if count < length && random.number(0...150) > 0 && attempt < 19 {
                    if count == 0 || wholeSectors { continue }
                } else {
                    count = length
                }
                elements.append((base &+ UInt64(start), UInt64(count)))
                total += count
                return
            }
        }
        for _ in 0..<random.number(1...20) where total < limit - 12_000 {
            switch random.number(0...11) {
            case 0: add(1)
            case 1: add(511)
            case 2: add(513)
            case 3: add(1023)
            case 4: for length in [300, 4096, 212] { add(length) }
            case 5: add(512 * random.number(1...4))
            case 6, 7: add(4096 * random.number(1...2))
            case 8 where total < limit / 2: add(random.number(1...limit / 3))
            // The same once more, or a part of it.
            case 9:
                guard let again = elements.last else { continue }
                let length = UInt64(random.number(1...Int(again.1)))
                elements.append((again.0, length))
                total += Int(length)
            default: add(random.number(1...9000))
            }
        }
        if elements.isEmpty { add(512) }
        if wholeSectors && total % 512 > 0 { add(512 - total % 512) }
        return elements
    }

    // MARK: What must happen

    /// What is wrong with a list: an element that wraps, or the first address at which nothing is
    /// mapped.
    func fault(in list: [(GuestAddress, UInt64)]) -> (GuestMemoryError.Code, GuestAddress)? {
        for (address, length) in list {
            if address.advanced(by: length - 1) == nil {
                return (.addressWraps, address)
            }
            let start = Int(address.offset(from: base))
            let inside = Swift.min(Int(length), Self.window - start)
            let shown = owner.slice(start, inside).baseAddress!
            if let hole = memchr(shown, 0, inside) {
                return (.hole, address &+ UInt64(hole - shown))
            }
            if inside < Int(length) { return (.hole, address &+ UInt64(inside)) }
        }
        return nil
    }

    /// Moves the bytes of a transfer one by one between the reference and `wire`.
    func move(
        _ list: [(GuestAddress, UInt64)], _ direction: DMADirection,
        wire: UnsafeMutableRawBufferPointer
    ) {
        let wire = wire.baseAddress!.assumingMemoryBound(to: UInt8.self)
        var position = 0
        for (address, length) in list {
            let start = Int(address.offset(from: base))
            for index in start..<start + Int(length) {
                let region = regions[Int(owner.bytes[index]) - 1]
                if let place = self.place(of: index, in: region, direction) {
                    let byte =
                        expected[place.content].bytes.baseAddress!
                        .assumingMemoryBound(to: UInt8.self) + place.offset
                    switch direction {
                    case .toDevice: wire[position] = byte.pointee
                    case .fromDevice:
                        byte.pointee = wire[position]
                        writers[place.content][place.offset] = Int32(position)
                        written[place.content].insert(place.offset / 4096)
                    }
                }
                position += 1
            }
        }
    }

    /// Where in `expected` a byte of the window is read or written; `nil` where writes are lost.
    @inline(__always)
    private func place(
        of index: Int, in region: Region, _ direction: DMADirection
    ) -> (content: Int, offset: Int)? {
        let isMemory =
            region.kind == .ram || (region.kind != .mmio && direction == .toDevice)
        let offset = index - region.start
        if isMemory { return (region.memory, region.memoryOffset + offset) }
        return region.kind == .rom ? nil : (memory.count + region.store, offset)
    }

    // MARK: Devices that refuse

    /// Makes one device refuse a few bytes.
    func refuseSomewhere(using random: inout SplitMix64) {
        guard !stores.isEmpty else { return }
        let store = stores[random.number(0...stores.count - 1)]
        let start = UInt64(random.number(0...store.bytes.count - 1))
        store.refuse(start..<start + 1)
    }

    /// Nothing is refused any more.
    func refuseNothing() { for store in stores { store.refuse(0..<0) } }
}
