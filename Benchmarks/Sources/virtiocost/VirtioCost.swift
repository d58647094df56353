import ArgumentParser
import BenchSupport
import BlockIO

/// Does a number of reads of 4 KiB through a virtqueue in process, and nothing else: for counting what one
/// costs, by the difference between two numbers. ``Driver/serve()`` is the device.
@main
struct VirtioCost: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "virtiocost", version: PackageVersion.current)

    @Argument(help: "A file or device of at least 1 MiB.") var path: String
    @Argument(help: "io_uring, libaio or threads.") var engine: String
    @Argument(help: "Requests at a time, 1 to 32.") var depth: Int
    @Argument(help: "tables or ring: where the descriptors are.") var place: String
    @Argument(help: "Batches.") var batches: Int

    mutating func validate() throws {
        guard EngineKind(rawValue: engine) != nil else {
            throw ValidationError("'\(engine)' is none of io_uring, libaio, threads")
        }
        guard (1...32).contains(depth), batches > 0, ["tables", "ring"].contains(place) else {
            throw ValidationError("the arguments are outside their ranges")
        }
    }

    static func main() { runProgram() }

    func run() throws {
        guard let kind = EngineKind(rawValue: engine) else { return }
        let driver = try Driver(
            Pathname(bytes: RawArguments.bytes(of: path)), kind, depth: depth,
            usesTables: place == "tables")
        // Not the argument parser's, whose accessors would be counted.
        let batches = batches
        for _ in 0..<batches { driver.addBatch() }
        guard driver.failures == 0, driver.interrupts >= batches else {
            throw ValidationError("\(driver.interrupts) interrupts, \(driver.failures) failures")
        }
    }
}
