import BlockIO
import Glibc
@testable import TestSupport

/// Makes random requests, up to eight at a time and without regard to what they overlap, on a queue of its own, and
/// keeps account of them. For one thread.
final class QueueWorker {
    /// What the workers of an image have in common.
    struct Plan {
        let image: BlockImage
        let configuration: Configuration
        let clock: SectorHistory.Clock
        /// How many sectors of 512 bytes requests touch.
        let sectors: Int
        /// What requests are multiples of, in such sectors.
        let unit: Int
        let resizes: Bool
    }

    private struct Flight {
        let operation: BlockIO.BlockOperation
        let sectors: Range<Int>
        let stamp: UInt64
        let start: UInt64
    }

    private(set) var history = SectorHistory()
    private(set) var mistakes: [String] = []
    private let plan: Plan
    private let number: Int
    private var random: SplitMix64
    private let buffers: [AlignedBuffer]
    private var flights: [Flight?]
    private var stamps: UInt64 = 0

    private static let slots = 8
    private static let longest = 16
    private static let size = StampedSectors.size

    init(_ plan: Plan, number: Int) {
        self.plan = plan
        self.number = number
        random = SplitMix64(seed: Seed.value &+ UInt64(number) &* 0x9e37)
        buffers = (0..<Self.slots).map { _ in AlignedBuffer(count: Self.longest * Self.size) }
        flights = [Flight?](repeating: nil, count: Self.slots)
    }

    /// Opens the queue, makes the requests, and closes it when all have completed. Every second
    /// worker sleeps in epoll, the others in the queue.
    func run(requests: Int) throws {
        var options = QueueOptions()
        options.depth = 4
        let queue = try plan.configuration.queue(on: plan.image, options)
        let events = number % 2 == 1 ? try EventSet(queue.descriptor) : nil
        for _ in 0..<requests {
            while !flights.contains(where: { $0 == nil }) { try wait(queue, events) }
            if random.number(0...9) == 0 {
                queue.batch { for _ in 0..<3 { start(queue) } }
            } else {
                start(queue)
            }
            if random.number(0...3) == 0 { queue.poll { end($0) } }
        }
        while queue.outstanding > 0 { try wait(queue, events) }
        queue.close()
        if flights.contains(where: { $0 != nil }) { mistakes.append("a request never completed") }
    }

    private func wait(_ queue: BlockQueue, _ events: EventSet?) throws {
        guard let events else { return try queue.pollForOne { end($0) } }
        guard events.wait() != nil else { throw Stuck(outstanding: queue.outstanding) }
        queue.poll { end($0) }
    }

    private func start(_ queue: BlockQueue) {
        guard let slot = flights.firstIndex(where: { $0 == nil }) else { return }
        let length = random.number(1...Self.longest / plan.unit) * plan.unit
        let first = random.number(0...(plan.sectors - length) / plan.unit) * plan.unit
        let sectors = first..<first + length
        let memory = buffers[slot].slice(0, length * Self.size)
        let (offset, bytes) = (UInt64(first * Self.size), UInt64(length * Self.size))
        switch random.number(0...(plan.resizes ? 62 : 59)) {
        case 0..<34:
            stamps += 1
            let stamp = UInt64(number + 1) << 32 | stamps
            StampedSectors.stamp(memory, first: first, sequence: stamp)
            note(slot, .write, sectors, stamp)
            queue.write(
                from: .init(memory), at: offset,
                durability: stamp % 4 == 0 ? .forceUnitAccess : .volatile, userData: UInt(slot))
        case 34..<50:
            note(slot, .read, sectors)
            queue.read(into: memory, at: offset, userData: UInt(slot))
        case 50..<53:
            note(slot, .discard, sectors)
            queue.discard(at: offset, length: bytes, userData: UInt(slot))
        case 53..<56:
            note(slot, .writeZeroes, sectors)
            queue.writeZeroes(
                at: offset, length: bytes, options: slot % 2 == 0 ? .forceUnitAccess : [],
                userData: UInt(slot))
        case 56..<60:
            note(slot, .flush, 0..<0)
            queue.flush(userData: UInt(slot))
        default:
            let size = random.number(plan.sectors / 2 / plan.unit...plan.sectors / plan.unit)
            note(slot, .resize, size * plan.unit..<plan.sectors)
            queue.resize(to: UInt64(size * plan.unit * Self.size), userData: UInt(slot))
        }
    }

    private func note(
        _ slot: Int, _ operation: BlockIO.BlockOperation, _ sectors: Range<Int>, _ stamp: UInt64 = 0
    ) {
        flights[slot] = Flight(
            operation: operation, sectors: sectors, stamp: stamp, start: plan.clock.next())
    }

    private func end(_ completion: BlockCompletion) {
        let slot = Int(completion.userData)
        guard slot < flights.count, let flight = flights[slot] else {
            return mistakes.append("completion of nothing in flight: \(completion)")
        }
        flights[slot] = nil
        if let failure = completion.failure {
            // Behind the end that another resize has left; or cut off by one, for a read.
            let isCut = flight.operation == .read && failure == .endOfMedium
            let isBehindEnd = plan.resizes && (failure == .outOfRange || isCut)
            if !isBehindEnd || completion.operation != flight.operation {
                mistakes.append("\(completion) for \(flight.operation) of \(flight.sectors)")
            }
            return
        }
        switch (flight.operation, completion.effect) {
        case (.flush, _), (.discard, .oldData): break
        case (.read, _): noteRead(flight, buffers[slot])
        case (.discard, .unknown): noteChange(flight, .anything)
        default: noteChange(flight, .stamp(flight.stamp))
        }
    }

    private func noteChange(_ flight: Flight, _ content: SectorHistory.Content) {
        history.changes.append(
            .init(
                sectors: flight.sectors, content: content, start: flight.start,
                end: plan.clock.next()))
    }

    private func noteRead(_ flight: Flight, _ buffer: AlignedBuffer) {
        history.reads.append(
            .init(
                first: flight.sectors.lowerBound,
                contents: StampedSectors.contents(
                    of: buffer.slice(0, flight.sectors.count * Self.size),
                    first: flight.sectors.lowerBound),
                start: flight.start, end: plan.clock.next()))
    }
}

extension StampedSectors {
    /// What whole sectors hold that come from sector `first` on.
    static func contents(
        of buffer: UnsafeMutableRawBufferPointer, first: Int
    ) -> [SectorHistory.Content] {
        (0..<buffer.count / size).map { index in
            let sector = UnsafeMutableRawBufferPointer(
                rebasing: buffer[index * size..<(index + 1) * size])
            return sequence(of: sector, sector: first + index).map { .stamp($0) } ?? .torn
        }
    }
}
