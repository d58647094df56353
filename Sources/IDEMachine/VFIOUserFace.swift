import BlockDMA
import BlockIO
import BlockPCI
import CommandLineSupport
import Glibc
import GuestMemory
import IDE
import VFIOUserServer

/// The IDE controller alone, in native mode, served to an emulator in another process, whose memory it
/// reaches.
///
/// There is no monitor here: a request that the error policy `stop` or `enospc` keeps stays until the
/// guest's driver gives up on it and resets the channel. Without a policy, failed writes are therefore
/// reported to the guest; and standard error has a line for each kind of failure.
final class VFIOUserFace {
    let drives: [Drive]
    let controller: IDEController
    let server: VFIOUserServer
    private let listener = FailureListener()
    private let reports: Bool

    init(_ options: MachineOptions, path: Pathname, reports: Bool) throws {
        try GuestRAM.surviveTruncation()
        // Nobody could let a request go on that a policy keeps.
        drives = try options.drive.map {
            try Drive($0, bounceLimit: options.bounceLimit, writeErrorPolicy: .report)
        }
        let memory = try AddressSpace(bounceLimit: options.bounceLimit)
        controller = try IDEController(options.pciID.native, PCIBus(memory), drives, options)
        server = try VFIOUserServer(
            listeningAt: path.bytes, named: path.description, function: controller.function)
        self.reports = reports
        controller.delegate = listener
    }

    /// Serves peers, one after the other, until `termination` comes. All requests have ended then.
    func run(until termination: TerminationSignal) throws {
        try server.run(until: termination.descriptor) { [self] in
            if reports { report() }
        }
        // A peer that is still there is not told of as gone.
        let endsWithPeer = server.isConnected
        server.disconnect()
        if reports && endsWithPeer { report() }
        while controller.isBusy { controller.poll(timeout: nil) }
    }

    /// One line for people and scripts: counters since the start.
    private func report() {
        let counters = server.statistics
        var text = "messages=\(counters.messages) interrupts=\(counters.interrupts)"
        text += " signals=\(counters.signals) dma_read=\(counters.messageBytesRead)"
        text += " dma_write=\(counters.messageBytesWritten)"
        let dma = controller.dmaStatistics
        text += " direct=\(dma.map(\.directBytes).reduce(0, +))"
        text += " bounced=\(dma.map(\.bouncedBytes).reduce(0, +))\n"
        for drive in drives {
            guard let statistics = controller.statistics(of: drive.slot) else { continue }
            text += drive.statisticsLine(statistics) + "\n"
        }
        StandardError.write(text)
    }
}

/// Hears of failures. The peer has no channel for them.
private final class FailureListener: IDEControllerDelegate {
    private var failures = FailureLog(kept: "it waits until the guest resets the channel")

    /// The function's pin leads to the server.
    func controller(
        _ controller: IDEController, interrupt line: IDEInterrupt, isRaised: Bool
    ) {}

    func controller(_ controller: IDEController, driveEvent event: DriveEvent) {
        failures.note(event)
    }
}
