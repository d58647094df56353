import BlockIO
import BlockIOTesting
import XCTest
@testable import TestSupport

/// Random requests, several in flight at disjoint places, against an array of bytes that says what
/// the image must hold.
final class ContentModelTests: ConformanceTestCase {
    override var layouts: Set<Configuration.Layout> { [.raw, .striped, .volatileDisk] }

    func testRandomRequestsMoveTheRightBytes() throws {
        try check(QueueOptions(), unit: \.block)
    }

    /// Neighbours in one block are in flight together, and the engine is given nothing crooked.
    func testRandomCrookedRequestsMoveTheRightBytes() throws {
        try check(QueueOptions().checked(), unit: \.one)
    }

    /// The same with nothing between the queue and the engine.
    func testRandomCrookedRequestsOnBareEngines() throws {
        try check(QueueOptions(), unit: \.one)
    }

    private func check(_ options: QueueOptions, unit: KeyPath<Subject, Int>) throws {
        try forEachConfiguration(size: 2 << 20, options) { subject in
            let exerciser = try ModelExerciser(subject, unit: subject[keyPath: unit])
            for _ in 0..<150 { try exerciser.step() }
            try exerciser.finish()
            XCTAssertEqual(exerciser.mistakes, [])

            let found = try subject.plainFile().contents(at: 0, subject.size)
            XCTAssertTrue(sameBytes(found.bytes, exerciser.model.bytes), "content at the end")
            XCTAssertTrue(exerciser.model.guardsAreIntact)
        }
    }
}

extension Subject {
    /// The unit of those who respect no alignment.
    fileprivate var one: Int { 1 }
}

/// Keeps up to eight requests in flight.
private final class ModelExerciser {
    private struct Flight {
        let operation: BlockIO.BlockOperation
        /// In the image, in bytes.
        let range: Range<Int>
        let list: ScatterList
    }

    /// What the image holds once everything in flight has ended.
    let model: AlignedBuffer
    private(set) var mistakes: [String] = []
    private let subject: Subject
    private let lists: [ScatterList]
    private var flights: [Flight?]
    /// Of positions and lengths.
    private let unit: Int
    private let longest: Int

    private static let mostPieces = 24

    init(_ subject: Subject, unit: Int) throws {
        self.subject = subject
        self.unit = unit
        longest = unit == 1 ? 3 * subject.block : Self.mostPieces * unit
        model = try subject.fillImage()
        let memoryAlignment = unit == 1 ? 1 : subject.image.alignment.memory
        let bytes = longest
        lists = (0..<8).map { _ in
            subject.keep(
                ScatterList(
                    pieces: Self.mostPieces, bytes: bytes, memoryAlignment: memoryAlignment))
        }
        flights = [Flight?](repeating: nil, count: lists.count)
    }

    /// Starts a request or a few, and now and then collects.
    func step() throws {
        switch subject.random.number(0...6) {
        case 0: try subject.queue.batch { for _ in 0..<3 { try start() } }
        case 1: subject.queue.poll { end($0) }
        case 2: if subject.queue.outstanding > 0 { try subject.queue.pollForOne { end($0) } }
        case 3: try waitForSome()
        default: try start()
        }
    }

    /// Any number, up to all, which may not have begun.
    private func waitForSome() throws {
        let queue = subject.queue
        let minimum = subject.random.number(0...queue.outstanding)
        _ = try Rescue.watching(outstanding: queue.outstanding) {
            queue.poll(minimum: minimum) { end($0) }
        }
    }

    func finish() throws {
        try subject.queue.finish { end($0) }
        if flights.contains(where: { $0 != nil }) { mistakes.append("a request never completed") }
    }

    private func start() throws {
        while !flights.contains(where: { $0 == nil }) { try subject.queue.pollForOne { end($0) } }
        let slot = flights.firstIndex { $0 == nil }!
        guard subject.random.number(0...9) > 0 else {
            flights[slot] = Flight(operation: .flush, range: 0..<0, list: lists[slot])
            subject.queue.flush(userData: UInt(slot))
            return
        }
        guard let range = freeRange() else { return }
        let list = lists[slot]
        list.layOut(lengths(summingTo: range.count), using: &subject.random)
        if subject.random.number(0...1) == 0 {
            flights[slot] = Flight(operation: .read, range: range, list: list)
            subject.queue.readv(list.vectors, at: UInt64(range.lowerBound), userData: UInt(slot))
        } else {
            flights[slot] = Flight(operation: .write, range: range, list: list)
            let content = model.slice(range.lowerBound, range.count)
            RandomBytes.fill(content, using: &subject.random)
            list.gather(from: content)
            subject.queue.writev(list.vectors, at: UInt64(range.lowerBound), userData: UInt(slot))
        }
    }

    private func end(_ completion: BlockCompletion) {
        let slot = Int(completion.userData)
        guard slot < flights.count, let flight = flights[slot] else {
            return mistakes.append("completion of nothing in flight: \(completion)")
        }
        flights[slot] = nil
        let length = UInt64(flight.range.count)
        if !completion.isSuccess || completion.operation != flight.operation
            || completion.transferred != length || completion.length != length
            || completion.offset != UInt64(flight.range.lowerBound)
        {
            mistakes.append("\(completion) for \(flight.operation) of \(flight.range)")
        }
        if flight.operation == .flush { return }
        if !flight.list.holds(model.slice(flight.range.lowerBound, flight.range.count)) {
            mistakes.append("wrong bytes after \(flight.operation) of \(flight.range)")
        }
        if !flight.list.guardsAreIntact {
            mistakes.append("touched bytes outside of \(flight.operation) of \(flight.range)")
        }
    }

    /// Somewhere that no request in flight is, if a few tries find such a place. Without alignment
    /// often right behind one.
    private func freeRange() -> Range<Int>? {
        for _ in 0..<10 {
            let length = subject.random.number(1...longest / unit) * unit
            var first = subject.random.number(0...(subject.size - length) / unit) * unit
            if unit == 1, let neighbour = flights.compactMap({ $0?.range.upperBound }).first,
                neighbour + length <= subject.size, subject.random.number(0...1) == 0
            {
                first = neighbour
            }
            let range = first..<first + length
            if !flights.contains(where: { $0?.range.overlaps(range) == true }) { return range }
        }
        return nil
    }

    /// Up to 24 pieces, as short as the host's alignment allows.
    private func lengths(summingTo total: Int) -> [Int] {
        let step = min(unit, subject.image.alignment.offset)
        var left = total / step
        var lengths: [Int] = []
        while left > 0 && lengths.count < Self.mostPieces - 1 {
            let next = subject.random.number(1...min(left, max(1, total / step / 4)))
            lengths.append(next * step)
            left -= next
        }
        if left > 0 { lengths.append(left * step) }
        return lengths
    }
}
