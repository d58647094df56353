import BlockIO
@testable import TestSupport

/// Writes stamped sectors at random places, durable or not, with flushes between, until its
/// process is killed, and tells its parent of each write that has completed.
///
/// No two writes in flight touch the same sector, so the highest sequence number is the newest.
struct StampingWriter {
    private static let longest = 8
    private static let depth = 16
    private let queue: BlockQueue
    private let port: ChildPort
    private let sectors: Int
    private let memory = AlignedBuffer(count: depth * longest * StampedSectors.size)
    private var random: SplitMix64
    private var sequence: UInt64
    private var slots = [Slot?](repeating: nil, count: depth)
    private var busy: Set<Int> = []

    /// A write in flight.
    private struct Slot {
        var first: Int
        var count: Int
        var sequence: UInt64
    }

    init(_ queue: BlockQueue, _ port: ChildPort, firstSequence: UInt64) {
        self.queue = queue
        self.port = port
        sectors = Int(queue.image.size) / StampedSectors.size
        random = SplitMix64(seed: firstSequence)
        sequence = firstSequence
    }

    /// Does not return.
    mutating func run() throws -> Never {
        while true {
            queue.batch {
                for slot in 0..<Self.depth where slots[slot] == nil { write(slot) }
                if random.number(0...15) == 0 { queue.flush(userData: .max) }
            }
            try queue.pollForOne { done($0) }
        }
    }

    private mutating func write(_ slot: Int) {
        let count = random.number(1...Self.longest)
        let first = random.number(0...sectors - count)
        let range = first..<first + count
        guard busy.isDisjoint(with: range) else { return }
        busy.formUnion(range)
        slots[slot] = Slot(first: first, count: count, sequence: sequence)
        let buffer = memory.slice(
            slot * Self.longest * StampedSectors.size, count * StampedSectors.size)
        StampedSectors.stamp(buffer, first: first, sequence: sequence)
        sequence += 1
        queue.write(
            from: .init(buffer), at: UInt64(first * StampedSectors.size),
            durability: random.number(0...3) == 0 ? .forceUnitAccess : .volatile,
            userData: UInt(slot))
    }

    private mutating func done(_ completion: BlockCompletion) {
        guard completion.isSuccess else { return port.say("failed: \(completion)") }
        guard completion.userData != .max, let slot = slots[Int(completion.userData)] else {
            return
        }
        slots[Int(completion.userData)] = nil
        busy.subtract(slot.first..<slot.first + slot.count)
        port.say("\(slot.first) \(slot.count) \(slot.sequence)")
    }
}
