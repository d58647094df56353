/// What is printed as JSON.
struct QueueScaleResult: Encodable {
    let schema = 1
    let engine: String
    let pattern: String
    let blockSize: Int
    /// Of each queue.
    let depth: Int
    let sharesWrites: Bool
    let runs: [Run]

    /// The turns of one number of queues, in the order of the rounds.
    struct Run: Encodable {
        let queues: Int
        let rates: [Double]
        let processorTimes: [Double]

        init(queues: Int, _ turns: [QueueRate]) {
            self.queues = queues
            rates = turns.map(\.requestsPerSecond)
            processorTimes = turns.map(\.processorTimePerRequest)
        }

        private enum CodingKeys: String, CodingKey {
            case queues
            case rates = "iops"
            case processorTimes = "cpu_ns_per_io"
        }
    }

    private enum CodingKeys: String, CodingKey {
        case schema, engine, pattern, depth, runs
        case blockSize = "block_size"
        case sharesWrites = "shares_writes"
    }
}
