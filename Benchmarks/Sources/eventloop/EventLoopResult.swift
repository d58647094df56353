/// What is printed.
struct EventLoopResult: Encodable {
    let engine: String
    let requests: UInt64
    let rate: Double
    let processorTime: Double
    let wakeUps: UInt64

    private enum CodingKeys: String, CodingKey {
        case engine, requests
        case rate = "iops"
        case processorTime = "cpu_ns_per_io"
        case wakeUps = "wakeups"
    }
}
