import Glibc
import GuestMemory
import Synchronization

/// The driver's side of a split virtqueue (virtio 1.2, 2.7), in memory of the guest.
///
/// What it writes is what a driver may write; tests of hostile drivers change the memory afterwards.
final class RingDriver {
    /// Memory that a request names.
    struct Segment {
        var address: UInt64
        var length: UInt32
        var isWritable = false
    }

    /// Flags of a descriptor.
    enum Flag {
        static let next: UInt16 = 1
        static let write: UInt16 = 2
        static let indirect: UInt16 = 4
    }

    let ram: GuestRAM
    let size: Int
    let hasEventIndex: Bool
    /// The first address of the ring, which has 64 KiB; behind it are tables of descriptors.
    let base: UInt64
    private var free: [UInt16]
    private var chains: [UInt16: [UInt16]] = [:]
    private(set) var nextAvailable: UInt16 = 0
    private var publishedAvailable: UInt16 = 0
    private(set) var lastUsed: UInt16 = 0

    /// The most descriptors of a table.
    static let tableLimit = 64

    /// An empty ring of `size` descriptors at `base`; what is in memory stays unless `clears`.
    init(
        _ ram: GuestRAM, size: Int, at base: UInt64 = 0x1_0000, hasEventIndex: Bool = true,
        clears: Bool = true
    ) {
        self.ram = ram
        self.size = size
        self.base = base
        self.hasEventIndex = hasEventIndex
        free = (0..<UInt16(size)).reversed()
        if clears { restart() }
    }

    /// An empty ring again.
    func restart() {
        free = (0..<UInt16(size)).reversed()
        chains = [:]
        (nextAvailable, publishedAvailable, lastUsed) = (0, 0, 0)
        memset(ram.base + Int(base), 0, 0x1_0000)
    }

    /// An empty ring, whose indices begin at `index`.
    func start(at index: UInt16) {
        restart()
        (nextAvailable, publishedAvailable, lastUsed) = (index, index, index)
        store(index, at: available + 2)
        store(index, at: used + 2)
    }

    var available: UInt64 { base + 0x8000 }
    var used: UInt64 { base + 0xC000 }
    /// Where the table of the request that begins with `head` is.
    func table(_ head: UInt16) -> UInt64 {
        base + 0x1_0000 + UInt64(head) * UInt64(16 * Self.tableLimit)
    }

    // MARK: Memory

    func load<Value: FixedWidthInteger>(_ address: UInt64, as type: Value.Type) -> Value {
        Value(littleEndian: ram.base.loadUnaligned(fromByteOffset: Int(address), as: type))
    }

    func store<Value: FixedWidthInteger & BitwiseCopyable>(_ value: Value, at address: UInt64) {
        ram.base.storeBytes(of: value.littleEndian, toByteOffset: Int(address), as: Value.self)
    }

    /// Writes one descriptor, of the ring or of a table.
    func writeDescriptor(
        _ index: Int, of table: UInt64, _ address: UInt64, _ length: UInt32, _ flags: UInt16,
        next: UInt16 = 0
    ) {
        let place = table + UInt64(16 * index)
        store(address, at: place)
        store(length, at: place + 8)
        store(flags, at: place + 12)
        store(next, at: place + 14)
    }

    // MARK: Requests

    var freeDescriptors: Int { free.count }

    /// The first descriptor of the request that is added next.
    var nextHead: UInt16 { free.last ?? 0 }

    /// Adds a request to the ring, in a table if `isIndirect`. The device sees it after
    /// ``publish()``. Returns its first descriptor.
    @discardableResult
    func add(_ segments: [Segment], isIndirect: Bool = false) -> UInt16 {
        let head: UInt16
        if isIndirect {
            head = free.removeLast()
            let place = table(head)
            write(segments, numbers: segments.indices.map { UInt16($0) }, of: place)
            writeDescriptor(
                Int(head), of: base, place, UInt32(16 * segments.count), Flag.indirect)
            chains[head] = [head]
        } else {
            let numbers = segments.map { _ in free.removeLast() }
            write(segments, numbers: numbers, of: base)
            head = numbers[0]
            chains[head] = numbers
        }
        offer(head)
        return head
    }

    private func write(_ segments: [Segment], numbers: [UInt16], of table: UInt64) {
        for (index, segment) in segments.enumerated() {
            let hasNext = index + 1 < segments.count
            writeDescriptor(
                Int(numbers[index]), of: table, segment.address, segment.length,
                (segment.isWritable ? Flag.write : 0) | (hasNext ? Flag.next : 0),
                next: hasNext ? numbers[index + 1] : 0)
        }
    }

    /// Puts a number into the available ring.
    func offer(_ head: UInt16) {
        store(head, at: available + 4 + 2 * UInt64(Int(nextAvailable) % size))
        nextAvailable &+= 1
    }

    /// Shows the device what was added. Returns whether it wants to be notified.
    @discardableResult
    func publish() -> Bool {
        let former = publishedAvailable
        publishedAvailable = nextAvailable
        store(nextAvailable, at: available + 2)
        // The device sees this, or the driver sees what the device asks for.
        atomicMemoryFence(ordering: .sequentiallyConsistent)
        guard hasEventIndex else { return load(used, as: UInt16.self) & 1 == 0 }
        let event = load(used + 4 + 8 * UInt64(size), as: UInt16.self)
        return nextAvailable &- event &- 1 < nextAvailable &- former
    }

    /// The requests that the device has used since the last call, and the bytes that it says it has
    /// written. Asks for an interrupt for the next one.
    func reap() -> [(head: UInt16, length: UInt32)] {
        var found: [(UInt16, UInt32)] = []
        let index = load(used + 2, as: UInt16.self)
        while lastUsed != index, found.count < size {
            let place = used + 4 + 8 * UInt64(Int(lastUsed) % size)
            let head = UInt16(load(place, as: UInt32.self))
            found.append((head, load(place + 4, as: UInt32.self)))
            free += (chains.removeValue(forKey: head) ?? []).reversed()
            lastUsed &+= 1
        }
        askForInterrupt(after: lastUsed)
        return found
    }

    /// Asks for an interrupt when the used ring passes `index`.
    func askForInterrupt(after index: UInt16) {
        if hasEventIndex { store(index, at: available + 4 + 2 * UInt64(size)) }
    }
}
