import BlockIO
import XCTest
@testable import TestSupport

/// How an owner waits for its requests.
enum WayOfWaiting: String, CaseIterable {
    case poll, pollWithLimit, pollForAll, descriptor, close, synchronous
}

/// A discard, and reads and writes beside it, where no thread can be made.
final class ThreadlessWork {
    private static let transfers = 8
    /// How often an owner may poll that waits each time: for each request, and a number of times
    /// for nothing. One that spins does it thousands of times.
    private static let mostPolls = 60
    /// How long the thread that has to make a call lets transfers go first. On a busy host they may take
    /// longer, and then the order says nothing.
    static let patience = Duration.milliseconds(5)
    private let queue: BlockQueue
    private let buffer = AlignedBuffer(count: (transfers + 1) * 4096)
    private let events: EventSet?
    private var order: [UInt] = []
    private var polls = 0
    /// The discard ended before that patience was over.
    private var isDiscardEarly = false
    /// What went wrong, in words.
    private(set) var mistakes: [String] = []

    init(_ queue: BlockQueue) {
        self.queue = queue
        events = try? EventSet(queue.descriptor)
    }

    /// Makes the requests and waits for them.
    func run(_ way: WayOfWaiting) throws {
        var ledger = Ledger(count: Self.transfers + 1)
        let start = ContinuousClock.now
        queue.batch {
            queue.discard(at: 0, length: 65536, userData: 0)
            for number in 1...Self.transfers {
                let place = UInt64(number * 65536)
                let slice = buffer.slice(number * 4096, 4096)
                if number % 2 == 0 {
                    queue.write(from: .init(slice), at: place, userData: UInt(number))
                } else {
                    queue.read(into: slice, at: place, userData: UInt(number))
                }
            }
        }
        try wait(way) { completion in
            ledger.note(completion)
            order.append(completion.userData)
            if completion.userData == 0 {
                isDiscardEarly = ContinuousClock.now - start < Self.patience
            }
        }
        if !ledger.isComplete { mistakes.append("not all completed: \(order)") }
        if !ledger.failures.isEmpty { mistakes.append("failures: \(ledger.failures)") }
        if polls > Self.mostPolls { mistakes.append("\(polls) polls for \(order.count)") }
        let count = queue.statistics.pollerOperations
        if count == 0 { mistakes.append("no operation of the polling thread was counted") }
        // A transfer needs no thread there, so none waits for the discard, which needs the owner.
        if queue.image.engine != .threadPool && order.last != 0 && isDiscardEarly {
            mistakes.append("the discard was not the last: \(order)")
        }
    }

    private func wait(_ way: WayOfWaiting, _ note: (BlockCompletion) -> Void) throws {
        func poll(_ minimum: Int, _ timeout: Duration? = nil) {
            polls += 1
            queue.poll(minimum: minimum, timeout: timeout, note)
        }
        switch way {
        case .poll: while queue.outstanding > 0 { poll(1) }
        case .pollWithLimit: while queue.outstanding > 0 { poll(1, Patience.limit) }
        case .pollForAll: while queue.outstanding > 0 { poll(queue.outstanding) }
        case .close: queue.close(note)
        case .synchronous:
            try queue.readAndWait(into: buffer.slice(0, 4096), at: 1 << 19)
            while queue.outstanding > 0 { poll(queue.outstanding) }
        case .descriptor:
            while queue.outstanding > 0 {
                guard let events, events.wait() != nil else {
                    throw Stuck(outstanding: queue.outstanding)
                }
                poll(0)
            }
        }
    }
}
