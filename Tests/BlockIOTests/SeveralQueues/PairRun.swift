import BlockIO
import BlockIOTesting
import Exploration
import Glibc
@testable import TestSupport

/// One run of a program for each queue of an image of two blocks, two sectors each, whose owners sleep in epoll: in
/// each step a queue makes its next request, a kernel answers one operation, or a queue whose descriptor is
/// readable is polled. When none of these is possible and a request has not completed, a wake-up has been lost.
final class PairRun {
    /// What a queue asks for.
    enum Step: CaseIterable {
        case writeFirst, writeSecond, writeBlock, flush, shrink, shrinkInsideBlock, cancel
    }

    private struct Flight {
        let step: Step
        let start: UInt64
    }

    private(set) var complaints: [String] = []
    private let decisions: Decisions
    private let chooser: ExploringChooser
    private let backEnd: PairedKernels
    private let image: BlockImage
    private let queues: [BlockQueue]
    private var programs: [ArraySlice<Step>]
    private let clock = SectorHistory.Clock()
    private var history = SectorHistory()
    private var flights: [UInt: Flight] = [:]
    private var latest: [RequestID?]
    private var made: UInt = 0
    private var buffers: [AlignedBuffer] = []

    private static let sector = StampedSectors.size
    private static let sectors = 4

    init(_ programs: [[Step]], _ decisions: Decisions) throws {
        self.decisions = decisions
        self.programs = programs.map { $0[...] }
        let chooser = ExploringChooser(decisions)
        self.chooser = chooser
        let backEnd = PairedKernels(
            queues: programs.count, size: Self.sectors * Self.sector, block: 2 * Self.sector,
            chooser)
        self.backEnd = backEnd
        let image = try BlockImage.open(
            backEnd: backEnd, OpenOptions(access: .readWrite, queueLimit: programs.count))
        self.image = image
        latest = programs.map { _ in nil }
        queues = try programs.map { _ in try BlockQueue(image) }
    }

    func run() {
        while true {
            var actions: [() -> Void] = []
            for (number, queue) in queues.enumerated() {
                let kernel = backEnd.kernels[number]
                if !programs[number].isEmpty { actions.append { self.make(number) } }
                if kernel.inFlight > 0 { actions.append { kernel.answerSome() } }
                if isReadable(queue.descriptor) {
                    actions.append { queue.poll { self.end($0) } }
                }
            }
            if actions.isEmpty { break }
            actions[decisions.pick(actions.count)]()
        }
        if !flights.isEmpty {
            complaints.append("asleep for ever: \(flights.values.map(\.step))")
            return leave()
        }
        for queue in queues { queue.close() }
        note(backEnd.disk.visible, start: clock.next())
        complaints += chooser.complaints + history.mistakes(sectors: Self.sectors)
        if image.size != backEnd.size { complaints.append("the image has \(image.size) bytes") }
    }

    /// Serves all queues in turn, which need not be what woke them.
    private func leave() {
        while !flights.isEmpty {
            for (number, queue) in queues.enumerated() {
                if backEnd.kernels[number].inFlight > 0 { backEnd.kernels[number].answerSome() }
                queue.poll { flights[$0.userData] = nil }
            }
        }
    }

    private func make(_ number: Int) {
        guard let step = programs[number].popFirst() else { return }
        let queue = queues[number]
        if step == .cancel {
            if let id = latest[number] { queue.cancel(id) }
            return
        }
        made += 1
        flights[made] = Flight(step: step, start: clock.next())
        switch step {
        case .writeFirst, .writeSecond, .writeBlock:
            let buffer = AlignedBuffer(count: step.sectors.count * Self.sector)
            buffers.append(buffer)
            StampedSectors.stamp(
                buffer.bytes, first: step.sectors.lowerBound, sequence: UInt64(made))
            latest[number] = queue.write(
                from: .init(buffer.bytes), at: UInt64(step.sectors.lowerBound * Self.sector),
                userData: made)
        case .flush: latest[number] = queue.flush(userData: made)
        case .shrink, .shrinkInsideBlock:
            latest[number] = queue.resize(
                to: UInt64(step.sectors.lowerBound * Self.sector), userData: made)
        case .cancel: break
        }
    }

    private func end(_ completion: BlockCompletion) {
        guard let flight = flights.removeValue(forKey: completion.userData) else {
            return complaints.append("nobody's: \(completion)")
        }
        switch completion.failure {
        case nil where flight.step != .flush:
            let isResize = completion.operation == .resize
            note(flight, isResize ? .stamp(0) : .stamp(UInt64(completion.userData)))
        case nil:
            // It covers what had completed, in either queue.
            note(backEnd.disk.stable, start: flight.start)
        case .outOfRange: break
        // Any part of it may have been done.
        case .cancelled where completion.operation == .write: note(flight, .anything)
        case .cancelled: break
        default: complaints.append("\(completion)")
        }
    }

    private func note(_ flight: Flight, _ content: SectorHistory.Content) {
        history.changes.append(
            .init(
                sectors: flight.step.sectors, content: content, start: flight.start,
                end: clock.next()))
    }

    /// The sectors that there are now have been read as this.
    private func note(_ found: [UInt8], start: UInt64) {
        let buffer = AlignedBuffer(count: min(found.count, backEnd.disk.byteCount))
        buffer.bytes.copyBytes(from: found[..<buffer.count])
        history.reads.append(
            .init(
                first: 0, contents: StampedSectors.contents(of: buffer.bytes, first: 0),
                start: start, end: clock.next()))
    }

    private func isReadable(_ descriptor: CInt) -> Bool {
        var query = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&query, 1, 0) == 1
    }
}

extension PairRun.Step {
    /// The sectors whose content it changes.
    fileprivate var sectors: Range<Int> {
        switch self {
        case .writeFirst: 0..<1
        case .writeSecond: 1..<2
        case .writeBlock: 0..<2
        case .shrink: 2..<4
        case .shrinkInsideBlock: 1..<4
        case .flush, .cancel: 0..<0
        }
    }
}
