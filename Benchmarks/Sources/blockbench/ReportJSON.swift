import BenchFacts
import BenchSupport
import BlockIO

/// The report for programs. Keys and units are an interface; `schema` counts its versions.
struct ReportJSON: Encodable {
    let schema = 1
    let host = Host.current()
    let targets: [TargetEntry]
    let runs: [Entry]
    let refused: [Refusal]
    let interrupted: Bool

    init(targets: [Target], runs: [Run], refusals: [Refusal], interrupted: Bool) {
        self.targets = targets.map(TargetEntry.init)
        self.runs = runs.map(Entry.init)
        refused = refusals
        self.interrupted = interrupted
    }

    /// A file or device.
    struct TargetEntry: Encodable {
        let target: String
        let kind: String
        let size: UInt64
        /// Absent for a device, and where it is not known.
        let fileSystem: String?
        let memoryAlignment: Int
        let offsetAlignment: Int
        /// The first byte of the part that was measured, and the bytes of the part.
        let offset: UInt64
        let range: UInt64
        /// Absent where there is none.
        let device: BlockDevice?

        private enum CodingKeys: String, CodingKey {
            case target, kind, size, offset, range, device
            case fileSystem = "file_system"
            case memoryAlignment = "memory_alignment"
            case offsetAlignment = "offset_alignment"
        }
    }

    /// One row.
    struct Entry: Encodable {
        let target: String
        /// Who worked.
        let engine: String
        /// What was asked for: "auto" where `engine` is the one it took.
        let requested: String
        let pattern: String
        let blockSize: Int
        let depth: Int
        let vectors: Int
        let direct: Bool
        let iops: Rates
        let bytesPerSecond: Double
        let processorTime: Double
        let latency: Latencies
        let requests: UInt64
        let kernelRequests: UInt64
        let bouncedBytes: UInt64
        let errors: UInt64
        let mismatches: UInt64

        private enum CodingKeys: String, CodingKey {
            case target, engine, requested, pattern, depth, vectors, direct, iops, requests
            case errors, mismatches
            case blockSize = "block_size"
            case bytesPerSecond = "bytes_per_second"
            case processorTime = "cpu_ns_per_io"
            case latency = "latency_us"
            case kernelRequests = "kernel_requests"
            case bouncedBytes = "bounced_bytes"
        }
    }

    /// Over the rounds.
    struct Rates: Encodable {
        let median: Double
        let min: Double
        let max: Double
        /// In the order in which they were measured.
        let rounds: [Double]
    }

    /// Microseconds, over all requests.
    struct Latencies: Encodable {
        let p50: Double
        let p99: Double
        let p999: Double

        private enum CodingKeys: String, CodingKey {
            case p50, p99
            case p999 = "p99_9"
        }
    }
}

extension ReportJSON.TargetEntry {
    fileprivate init(_ target: Target) {
        self.target = target.name
        kind = target.kind == .device ? "block device" : "file"
        size = target.size
        fileSystem = target.fileSystem
        memoryAlignment = target.alignment.memory
        offsetAlignment = target.alignment.offset
        offset = target.range.offset
        range = target.range.length
        device = target.device
    }
}

extension ReportJSON.Entry {
    fileprivate init(_ run: Run) {
        target = run.target.name
        engine = run.engine
        requested = run.contender.name
        pattern = run.work.pattern.rawValue
        blockSize = run.work.blockSize
        depth = run.work.depth
        vectors = run.work.vectors
        direct = run.caching == .direct
        iops = .init(
            median: run.medianRate.tenths, min: run.lowestRate.tenths,
            max: run.highestRate.tenths, rounds: run.rounds.map(\.tenths))
        bytesPerSecond = run.bytesPerSecond.rounded()
        processorTime = run.processorTimePerRequest.rounded()
        latency = .init(
            p50: run.latency(50), p99: run.latency(99), p999: run.latency(99.9))
        requests = run.total.requests
        kernelRequests = run.total.effort.kernelRequests
        bouncedBytes = run.total.effort.bouncedBytes
        errors = run.total.errors
        mismatches = run.total.mismatches
    }
}

extension Double {
    fileprivate var tenths: Double { (self * 10).rounded() / 10 }
}
