import ArgumentParser
import BlockIO
import CommandLineSupport
import Glibc
import GuestMemory
import VhostUserServer

/// `blockio vhost-user-blk`: an image as a virtio disk of a virtual machine in another process.
///
/// It is a back-end program as QEMU's docs/interop/vhost-user.rst describes them ("Backend program
/// conventions"): it ends with status 0 on SIGTERM, after the requests under way have completed.
struct VhostUserBlk: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vhost-user-blk",
        abstract:
            "Serve an image to QEMU, cloud-hypervisor or libblkio by the vhost-user protocol.")

    @Option(
        help: ArgumentHelp("Listen at PATH for one front end at a time.", valueName: "PATH"))
    var socketPath: String?

    @Option(
        help: ArgumentHelp(
            "Use the socket with this descriptor: one that listens, or one that is connected to the "
                + "only front end.", valueName: "N"))
    var fd: CInt?

    @Option(help: ArgumentHelp("The image.", valueName: "PATH"))
    var blkFile: String?

    @Option(help: "The format of the image. It is never guessed.")
    var format = FormatName.raw

    @Flag(help: "Refuse writes.")
    var readOnly = false

    @Option(
        help: ArgumentHelp(
            "The number of queues, each with a thread: from 1 to 256.", valueName: "N"))
    var numQueues = 1

    @Option(
        help: ArgumentHelp(
            "The largest number of descriptors of a ring: a power of two from 4 to 1024.",
            valueName: "N"))
    var queueSize = 256

    @Option(
        help: ArgumentHelp(
            "The serial number of the disk, up to 20 ASCII characters.", valueName: "TEXT"))
    var serial = ""

    @Option(help: "The engine that moves the data.")
    var engine = EngineName(.auto)

    @Option(help: "Whether data bypasses the page cache: on or off.")
    var direct = OnOff.on

    @Option(
        help: ArgumentHelp(
            "How many microseconds a thread looks for work at most before it sleeps; a thread that has "
                + "found nothing of late sleeps at once.",
            valueName: "N"))
    var pollMicroseconds = 32

    @OptionGroup(title: "Rate limits")
    var rateLimits: RateLimitOptions

    @Flag(help: "Print what this program can do, as JSON, and end.")
    var printCapabilities = false

    func validate() throws {
        if printCapabilities { return }
        guard (socketPath == nil) != (fd == nil) else {
            throw ValidationError("one of --socket-path and --fd is needed")
        }
        guard blkFile != nil else { throw ValidationError("--blk-file is needed") }
        guard (1...256).contains(numQueues) else {
            throw ValidationError("--num-queues \(numQueues) is not 1 to 256")
        }
        guard (0...1_000_000).contains(pollMicroseconds) else {
            throw ValidationError(
                "--poll-microseconds \(pollMicroseconds) is not 0 to 1000000")
        }
    }

    func run() throws {
        if printCapabilities {
            // "Backend program conventions", vhost-user-blk.
            return try StandardOutput.printLine(
                #"{"type": "block", "features": ["read-only", "blk-file"]}"#)
        }
        guard let blkFile else { return }
        let termination = try SignalDescriptor.termination()
        let inquiry = try SignalDescriptor([SIGUSR1])
        try GuestRAM.surviveTruncation()
        let server = try server(image(blkFile))
        try server.run(
            until: termination.descriptor, watching: [inquiry.descriptor],
            ready: { _ in
                inquiry.clear()
                report(server.statistics)
            })
        try server.disconnect()
        report(server.statistics)
    }

    /// A program that starts this one can open the image for it, and pass the descriptor. To open /dev/fd/N
    /// would need the right to open the file.
    private func image(_ path: String) throws(BlockError) -> BlockImage {
        let options = OpenOptions(
            access: readOnly ? .readOnly : .readWrite,
            caching: direct == .on ? .direct : .buffered, engine: engine.choice,
            queueLimit: numQueues, rateLimits: rateLimits.limits)
        let inherited = "/dev/fd/"
        if path.hasPrefix(inherited), let descriptor = CInt(path.dropFirst(inherited.count)) {
            return try BlockImage.open(descriptor: descriptor, ownership: .transferred, options)
        }
        return try BlockImage.open(
            pathname: Pathname(bytes: RawArguments.bytes(of: path)), options)
    }

    private func server(_ image: BlockImage) throws -> VhostUserServer {
        let options = VhostUserOptions(
            serial: serial, queueCount: numQueues, queueSize: queueSize,
            pollLimit: .microseconds(pollMicroseconds))
        guard let socketPath else {
            return try VhostUserServer(socket: fd ?? -1, image: image, options: options)
        }
        return try VhostUserServer(
            listeningAt: RawArguments.bytes(of: socketPath), image: image, options: options)
    }

    /// One line for people and scripts: counters since the start.
    private func report(_ statistics: VhostUserStatistics) {
        let byQueue = statistics.requestsByQueue.map(\.description).joined(separator: ",")
        StandardError.write(
            "messages=\(statistics.messages) requests=\(statistics.requests) "
                + "failures=\(statistics.failures) kicks=\(statistics.kicks) "
                + "calls=\(statistics.calls) requests-by-queue=\(byQueue)\n")
    }
}

/// The value of `--format`.
enum FormatName: String, CaseIterable, ExpressibleByArgument {
    case raw
}
