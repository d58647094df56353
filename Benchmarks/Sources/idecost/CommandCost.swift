/// What `--timed` prints.
struct CommandCost: Encodable {
    let commands: Int
    let seconds: Double
    /// Commands a second.
    let rate: Double
    /// Nanoseconds of a command, of all threads of the process.
    let processorTime: Double
    /// Of a command.
    let hostRequests: Double

    private enum CodingKeys: String, CodingKey {
        case commands, seconds
        case rate = "commands_per_second"
        case processorTime = "cpu_ns_per_command"
        case hostRequests = "host_requests_per_command"
    }
}
