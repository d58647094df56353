/// What the owner of a queue and a second thread do, on which machine.
struct Program {
    enum Request: String, CaseIterable {
        case read = "R"
        case write = "W"
        case durableWrite = "U"
        case flush = "F"
        case discard = "D"
    }

    /// How the owner gets its completions.
    enum Wait: String, CaseIterable {
        /// `poll(minimum: 1)` until nothing is outstanding.
        case one
        /// `poll` for all of them.
        case all
        /// The same with a limit of one second.
        case limited
        /// `poll` for all of them inside the batch that makes them.
        case inBatch
        /// Sleeps on the descriptor, then `poll(minimum: 0)`.
        case descriptor
        /// The same, after two `poll(minimum: 0)`.
        case looks
        /// The calls that wait for one request each.
        case blocking
        /// Closes the queue at once.
        case close
    }

    /// What a second thread does once the requests have been made.
    enum Other: String, CaseIterable {
        case nothing, cancelsFirst, cancelsLast, wakes, closes
    }

    /// What the transfers are to the pool.
    enum Transfers: String, CaseIterable {
        /// Calls that may sleep in the kernel.
        case device
        /// The same, after enough of them have shown that they do not sleep for long.
        case prompt
        /// Once the requests have been made, transfers are found not to sleep for long, and one thread
        /// at a time to be enough.
        case limited
        /// Copies of memory that threads make.
        case copies
        /// Copies of memory that the owner makes while it submits.
        case inline
    }

    /// What else is in the ring that the helper threads are beside.
    enum Ring: String, CaseIterable {
        case idle, busy
    }

    var requests: [Request]
    var wait = Wait.one
    var other = Other.nothing
    var transfers = Transfers.device
    var threads = 2
    var processors = 2
    /// Calls of pthread_create(3) that may fail; negative when all do.
    var refusals = 0
    var earlyTimeouts = 0
    var signals = 0
    /// Requests of the last round that last for three seconds.
    var stuck: [Int] = []
    /// Between two rounds the owner sleeps until the watcher has seen enough of an empty queue.
    var pauses = false
    /// How many times the requests are made, one lot after the other has been delivered.
    var rounds = 1
    var isBatch = false
    /// Transfers of 128 KiB, for which an owner that copies calls a thread to help.
    var areLarge = false
    /// The owner cancels its last request.
    var cancels = false

    /// The requests are discards for helper threads beside a ring, instead of a queue's.
    var ring: Ring?

    var name: String {
        let list = requests.isEmpty ? "none" : requests.map(\.rawValue).joined()
        var parts = [list, wait.rawValue, transfers.rawValue]
        parts.append("threads=\(threads)")
        if transfers == .copies || transfers == .inline { parts.append("processors=\(processors)") }
        if other != .nothing { parts.append(other.rawValue) }
        if refusals != 0 { parts.append(refusals < 0 ? "no-threads" : "refusals=\(refusals)") }
        if earlyTimeouts > 0 { parts.append("timeouts=\(earlyTimeouts)") }
        if signals > 0 { parts.append("signals=\(signals)") }
        if !stuck.isEmpty { parts.append("stuck=\(stuck.map(String.init).joined(separator: ","))") }
        if rounds > 1 { parts.append("rounds=\(rounds)") }
        if pauses { parts.append("pauses") }
        if areLarge { parts.append("large") }
        if isBatch { parts.append("batch") }
        if let ring { parts.append("helpers-\(ring.rawValue)") }
        if cancels { parts.append("cancels") }
        return parts.joined(separator: "/")
    }
}
