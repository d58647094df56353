import BlockIO
import BlockIOTesting
import Glibc
@testable import TestSupport

/// Makes random requests, up to eight at a time on disjoint bytes, and checks each completion
/// against a model. What it draws does not depend on when something completes, so that a seed
/// makes the same requests again.
final class Exerciser {
    private final class Flight {
        let operation: BlockIO.BlockOperation
        let range: Range<Int>
        let list: ScatterList?
        /// What a write writes.
        let content: AlignedBuffer?
        var isCancelled = false

        init(
            _ operation: BlockIO.BlockOperation, _ range: Range<Int> = 0..<0,
            list: ScatterList? = nil, content: AlignedBuffer? = nil
        ) {
            self.operation = operation
            self.range = range
            self.list = list
            self.content = content
        }
    }

    let model: ByteModel
    /// What has completed.
    private(set) var tally = Tally()
    /// What went wrong, in words.
    private(set) var mistakes: [String] = []
    private let queue: BlockQueue
    private let faults: FaultInjector?
    private let cancels: Bool
    private var random: SplitMix64
    /// For what depends on when something completes.
    private var waits: SplitMix64
    private var flights: [UInt: Flight] = [:]
    /// Of the last requests, whatever became of them: slots that are used in turn.
    private var identifiers: [(id: RequestID, number: UInt)] = []
    private let lists: [[ScatterList]]
    private var made: UInt = 0
    private var last = 0..<0

    private static let slots = 8
    /// Those with which a request succeeds on every storage.
    private static let zeroOptions: [ZeroOptions] = [
        [], .unmap, .forceUnitAccess, [.unmap, .forceUnitAccess],
    ]

    init(
        _ queue: BlockQueue, _ model: ByteModel, faults: FaultInjector?, cancels: Bool,
        random: SplitMix64
    ) {
        self.queue = queue
        self.model = model
        self.faults = faults
        self.cancels = cancels
        self.random = random
        var seed = random
        waits = SplitMix64(seed: ~seed.next())
        lists = (0..<Self.slots).map { _ in
            [1, 4096].map {
                ScatterList(
                    pieces: RequestShape.mostElements, bytes: 120_000, memoryAlignment: $0)
            }
        }
    }

    /// Makes a request, cancels one, or a few of these in a batch.
    func step() throws {
        if random.number(0...9) == 0 {
            try queue.batch { for _ in 0..<3 { try act() } }
        } else {
            try act()
        }
    }

    /// Waits for everything.
    func finish() throws {
        while queue.outstanding > 0 { try collect() }
        if !flights.isEmpty { mistakes.append("\(flights.count) requests never completed") }
    }

    private func act() throws {
        let choice = random.number(0...99)
        if choice < 10 {
            cancelOne()
        } else if choice < 15 {
            try make(Flight(.flush)) { queue.flush(userData: $0) }
        } else if choice < 26 {
            try makeRangeRequest(isDiscard: choice < 19)
        } else {
            try makeTransfer(isWrite: choice < 65, isDurable: choice % 4 == 0)
        }
    }

    private func cancelOne() {
        guard cancels, !identifiers.isEmpty else { return }
        let (id, number) = identifiers[random.number(0...identifiers.count - 1)]
        flights[number]?.isCancelled = true
        queue.cancel(id)
    }

    private func makeTransfer(isWrite: Bool, isDurable: Bool) throws {
        let shape = RequestShape.random(size: model.size, behind: last, using: &random)
        try waitUntilFree(shape.range, isWrite: isWrite)
        let list = lists[Int(made) % Self.slots][shape.isPageAligned ? 1 : 0]
        list.layOut(shape.lengths, using: &random)
        let start = UInt64(shape.range.lowerBound)
        guard isWrite else {
            return try make(Flight(.read, shape.range, list: list)) {
                queue.readv(list.vectors, at: start, userData: $0)
            }
        }
        let content = AlignedBuffer(count: shape.range.count)
        content.fill(using: &random)
        list.gather(from: content.bytes)
        try make(Flight(.write, shape.range, list: list, content: content)) {
            queue.writev(
                list.vectors, at: start, durability: isDurable ? .forceUnitAccess : .volatile,
                userData: $0)
        }
    }

    private func makeRangeRequest(isDiscard: Bool) throws {
        let range = RequestShape.random(size: model.size, behind: last, using: &random).range
        try waitUntilFree(range, isWrite: true)
        let (start, length) = (UInt64(range.lowerBound), UInt64(range.count))
        let options = Self.zeroOptions[random.number(0...Self.zeroOptions.count - 1)]
        try make(Flight(isDiscard ? .discard : .writeZeroes, range)) {
            isDiscard
                ? queue.discard(at: start, length: length, userData: $0)
                : queue.writeZeroes(at: start, length: length, options: options, userData: $0)
        }
    }

    private func make(_ flight: Flight, _ start: (UInt) -> RequestID) throws {
        // The slot's lists must be free; flights are numbered from 0 and use slots in turn.
        while made >= Self.slots, flights[made - UInt(Self.slots)] != nil { try collect() }
        flights[made] = flight
        let id = start(made)
        if identifiers.count < 2 * Self.slots { identifiers.append((id, made)) }
        identifiers[Int(made) % identifiers.count] = (id, made)
        made += 1
        if !flight.range.isEmpty { last = flight.range }
    }

    /// Waits for a slot, and for what is in flight on these bytes.
    private func waitUntilFree(_ range: Range<Int>, isWrite: Bool) throws {
        while made >= Self.slots, flights[made - UInt(Self.slots)] != nil { try collect() }
        while flights.values.contains(where: {
            $0.range.overlaps(range) && (isWrite || $0.operation != .read)
        }) { try collect() }
    }

    /// Waits a moment, after letting go what the injector holds; without one for any number.
    private func collect() throws {
        guard let faults else {
            let minimum = waits.number(1...max(1, queue.outstanding))
            var count = 0
            try Rescue.watching(outstanding: queue.outstanding) {
                while count == 0 { count = queue.poll(minimum: minimum) { end($0) } }
            }
            return
        }
        let deadline = ContinuousClock.now + Patience.limit
        var count = 0
        while count == 0 {
            faults.release()
            count = queue.poll(minimum: 1, timeout: .milliseconds(2)) { end($0) }
            if ContinuousClock.now > deadline { throw Stuck(outstanding: queue.outstanding) }
        }
    }

    // MARK: Completions

    private func end(_ completion: BlockCompletion) {
        tally.note(completion)
        guard let flight = flights.removeValue(forKey: completion.userData) else {
            return mistakes.append("completion of nothing in flight: \(completion)")
        }
        checkResult(completion, flight)
        if let list = flight.list, !list.guardsAreIntact {
            mistakes.append("memory outside the list was touched: \(completion)")
        }
        let moved = Int(completion.transferred)
        switch flight.operation {
        case .read:
            let found = flight.list!.gathered()
            let range = flight.range.prefix(moved)
            if let place = model.mismatch(found.slice(0, moved), in: range) {
                mistakes.append("wrong byte at \(place) after \(completion)")
            }
        case .write:
            if !flight.list!.holds(flight.content!.bytes) {
                mistakes.append("memory that is written from was touched: \(completion)")
            }
            model.write(flight.content!.bytes, count: moved, of: flight.range)
        case .writeZeroes: model.zero(flight.range, count: moved)
        case .discard: noteDiscard(completion, flight.range)
        default: break
        }
    }

    private func checkResult(_ completion: BlockCompletion, _ flight: Flight) {
        let length = UInt64(flight.range.count)
        var isRight =
            completion.operation == flight.operation && completion.length == length
            && completion.offset == UInt64(flight.range.lowerBound)
            && completion.transferred <= length
        switch completion.failure {
        case nil:
            let isWhole = completion.transferred == length || flight.operation == .discard
            isRight = isRight && isWhole && completion.errno == 0
        case .cancelled: isRight = isRight && flight.isCancelled
        case .endOfMedium: isRight = isRight && faults != nil
        case .system:
            isRight = isRight && faults != nil
            isRight = isRight && FaultMix.fatal.contains(completion.errno)
        default: isRight = false
        }
        if !isRight { mistakes.append("\(completion) for \(flight.operation) of \(flight.range)") }
    }

    /// A device discards whole sectors: the bytes before and behind them stay in any case.
    private func noteDiscard(_ completion: BlockCompletion, _ range: Range<Int>) {
        guard completion.isSuccess else { return model.forget(range) }
        switch completion.effect {
        case .oldData: break
        case .zeroes: model.zero(range, count: range.count)
        case .unknown:
            let first = (range.lowerBound + 511) / 512 * 512
            let end = range.upperBound / 512 * 512
            if first < end { model.forget(first..<end) }
        }
    }
}
