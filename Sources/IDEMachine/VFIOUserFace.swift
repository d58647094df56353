import BlockDMA
import BlockIO
import BlockPCI
import CommandLineSupport
import Glibc
import GuestMemory
import IDE
import VFIOUserServer

/// The IDE controller alone, in native mode, served to an emulator in another process, whose memory
/// it reaches.
///
/// There is no monitor: a request that the error policy `stop` or `enospc` keeps waits until the
/// guest's driver resets the channel. Failed writes are therefore reported to the guest by default.
/// Standard error has a line for each kind of failure.
final class VFIOUserFace {
    let drives: [Drive]
    let controller: IDEController
    let server: VFIOUserServer
    private let listener = FailureListener()
    private let reports: Bool

    init(_ options: MachineOptions, path: Pathname, reports: Bool) throws {
        try GuestRAM.surviveTruncation()
        // No one could resume a request that a policy keeps.
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

    /// Serves peers, one after the other, until a termination signal arrives. All requests have
    /// completed when this returns.
    func run(until termination: SignalDescriptor) throws {
        try server.run(until: termination.descriptor) { [self] in
            if reports { report() }
        }
        // The server does not report a peer that is still connected.
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

/// Logs failures, because the protocol has no message for them.
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
