import BlockDMA
import BlockIO
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
    private let function: ControllerFunction
    private let reports: Bool

    init(_ options: MachineOptions, path: Pathname, reports: Bool) throws {
        try GuestRAM.surviveTruncation()
        // Nobody could let a request go on that a policy keeps.
        drives = try options.drive.map {
            try Drive($0, bounceLimit: options.bounceLimit, writeErrorPolicy: .report)
        }
        let memory = try AddressSpace(bounceLimit: options.bounceLimit)
        controller = try IDEController(options.pciID.native, memory, drives, options)
        function = ControllerFunction(controller)
        server = try VFIOUserServer(
            listeningAt: path.bytes, named: path.description, function: function, memory: memory)
        self.reports = reports
        function.server = server
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

/// The controller as a vfio-user server uses it.
private final class ControllerFunction: PCIFunction, IDEControllerDelegate {
    private let controller: IDEController
    weak var server: VFIOUserServer?
    private var failures = FailureLog(kept: "it waits until the guest resets the channel")

    init(_ controller: IDEController) {
        self.controller = controller
        controller.delegate = self
    }

    /// PCI IDE Controller Specification 1.0, 2.2, and SFF-8038i 2.0.
    func size(ofBAR index: Int) -> Int { [8, 4, 8, 4, 16, 0][index] }

    func readConfiguration(_ offset: Int, width: Int) -> UInt32 {
        controller.readConfiguration(offset, width: width)
    }

    func writeConfiguration(_ offset: Int, width: Int, value: UInt32) {
        controller.writeConfiguration(offset, width: width, value: value)
    }

    func read(bar: Int, offset: Int, width: Int) -> UInt32 {
        controller.read(bar: bar, offset: offset, width: width)
    }

    func write(bar: Int, offset: Int, width: Int, value: UInt32) {
        controller.write(bar: bar, offset: offset, width: width, value: value)
    }

    func reset() { controller.reset() }

    var isBusy: Bool { controller.isBusy }

    var descriptors: [CInt] { controller.descriptors }

    func poll() { controller.poll() }

    func controller(
        _ controller: IDEController, interrupt line: IDEInterrupt, isRaised: Bool
    ) {
        server?.setInterrupt(isRaised: isRaised)
    }

    /// The peer has no channel for it.
    func controller(_ controller: IDEController, driveEvent event: DriveEvent) {
        failures.note(event)
    }
}
