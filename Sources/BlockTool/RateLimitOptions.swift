import ArgumentParser
import BlockIO

/// Options for rate limits, with the names of QEMU's throttling.
struct RateLimitOptions: ParsableArguments {
    @Option(help: Self.limit("requests"))
    var iopsTotal: UInt64 = 0

    @Option(help: Self.limit("reads"))
    var iopsRead: UInt64 = 0

    @Option(help: Self.limit("writes"))
    var iopsWrite: UInt64 = 0

    @Option(help: Self.limit("bytes"))
    var bpsTotal: UInt64 = 0

    @Option(help: Self.limit("bytes of reads"))
    var bpsRead: UInt64 = 0

    @Option(help: Self.limit("bytes of writes"))
    var bpsWrite: UInt64 = 0

    @Option(help: Self.burst("--iops-total"))
    var iopsTotalMax: UInt64 = 0

    @Option(help: Self.burst("--iops-read"))
    var iopsReadMax: UInt64 = 0

    @Option(help: Self.burst("--iops-write"))
    var iopsWriteMax: UInt64 = 0

    @Option(help: Self.burst("--bps-total"))
    var bpsTotalMax: UInt64 = 0

    @Option(help: Self.burst("--bps-read"))
    var bpsReadMax: UInt64 = 0

    @Option(help: Self.burst("--bps-write"))
    var bpsWriteMax: UInt64 = 0

    private static func limit(_ what: String) -> ArgumentHelp {
        ArgumentHelp("The most \(what) in a second; 0 is no limit.", valueName: "N")
    }

    private static func burst(_ option: String) -> ArgumentHelp {
        ArgumentHelp(
            "The most of what \(option) limits that passes at once after a pause; 0 is that limit.",
            valueName: "N")
    }

    /// One limit: the name of its option, the amount for a second, and the burst. 0 is not given.
    private typealias Limit = (name: String, amount: UInt64, burst: UInt64)

    private var given: [Limit] {
        [
            ("--iops-total", iopsTotal, iopsTotalMax), ("--iops-read", iopsRead, iopsReadMax),
            ("--iops-write", iopsWrite, iopsWriteMax), ("--bps-total", bpsTotal, bpsTotalMax),
            ("--bps-read", bpsRead, bpsReadMax), ("--bps-write", bpsWrite, bpsWriteMax),
        ]
    }

    func validate() throws {
        for (name, amount, burst) in given where burst > 0 {
            guard amount > 0 else { throw ValidationError("\(name)-max needs \(name)") }
            guard burst >= amount else {
                throw ValidationError("\(name)-max \(burst) is less than \(name) \(amount)")
            }
        }
    }

    /// What the options say.
    var limits: RateLimits {
        let limits = given.map { limit -> RateLimit? in
            if limit.amount == 0 { return nil }
            return RateLimit(limit.amount, burst: limit.burst > 0 ? limit.burst : nil)
        }
        return RateLimits(
            operations: limits[0], readOperations: limits[1], writeOperations: limits[2],
            bytes: limits[3], readBytes: limits[4], writeBytes: limits[5])
    }
}
