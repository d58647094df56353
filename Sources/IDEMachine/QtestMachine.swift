import BlockDMA
import BlockIO
import BlockPCI
import GuestMemory
import IDE

/// A PC without a processor: guest memory, a PCI bus with an IDE controller, and two interrupt
/// lines. A qtest peer takes the place of the processor: it reads and writes ports and memory.
///
/// One thread does everything. It sleeps on the controller's descriptors and then polls the
/// controller.
final class QtestMachine {
    let memory: MachineMemory
    let controller: IDEController
    let drives: [Drive]
    /// Bit n: interrupt line n of a PC is high.
    private(set) var raisedInterrupts: UInt16 = 0

    /// Is told of interrupts and failures. It keeps this machine alive, so it exists as long.
    unowned var observer: (any MachineObserver)?

    private var configuration: PCIConfigurationMechanism

    init(_ options: MachineOptions) throws {
        drives = try options.drive.map {
            try Drive($0, bounceLimit: options.bounceLimit, writeErrorPolicy: .enospc)
        }
        memory = try MachineMemory(options)
        let identity = options.pciID.compatible
        let bus = PCIBus(memory.space)
        controller = try IDEController(identity, bus, drives, options)
        let bridge = PCIFunction(.isaBridge(besides: identity), on: bus)
        configuration = PCIConfigurationMechanism([
            (bus: 0, device: 1, number: 0, function: bridge),
            (bus: 0, device: 1, number: 1, function: controller.function),
        ])
        if let base = options.selfMmio {
            let window = BusMasterWindow(controller)
            try memory.lay(
                .mmio(window, size: 16, reentrancy: controller.reentrancy), at: base)
        }
        controller.delegate = self
    }

    // MARK: In place of a processor

    /// Reads a port. `width` is 1, 2 or 4 bytes. A port that no device decodes reads as all ones.
    func readPort(_ port: UInt16, width: Int) -> UInt32 {
        PCIConfigurationMechanism.ports.contains(port)
            ? configuration.read(port, width: width) : controller.readPort(port, width: width)
    }

    func writePort(_ port: UInt16, width: Int, value: UInt32) {
        if PCIConfigurationMechanism.ports.contains(port) {
            configuration.write(port, width: width, value: value)
        } else {
            controller.writePort(port, width: width, value: value)
        }
    }

    // MARK: For the event loop

    /// Delivers what the host has completed to the controller.
    func poll() {
        if controller.isBusy { controller.poll() }
    }

    /// Retries the requests for which an error policy has stopped the machine.
    func resume() { controller.resume() }

    /// Waits until all requests have completed. Returns false at once if a request is held.
    func drain() -> Bool {
        poll()
        while controller.isBusy {
            if drives.contains(where: \.isHolding) { return false }
            // Not for long: no descriptor tells that a request is held.
            controller.poll(timeout: .milliseconds(10))
        }
        return true
    }

    /// Waits until all requests have completed; releases those that are held.
    func shutDown() {
        for drive in drives { drive.releaseAll() }
        while controller.isBusy { controller.poll(timeout: nil) }
    }
}

extension QtestMachine: IDEControllerDelegate {
    func controller(
        _ controller: IDEController, interrupt line: IDEInterrupt, isRaised: Bool
    ) {
        let number: Int
        switch line {
        case .irq14: number = 14
        case .irq15: number = 15
        case .inta: return  // Only identities in native mode have it; this machine has none.
        }
        let bit: UInt16 = 1 << number
        raisedInterrupts = isRaised ? raisedInterrupts | bit : raisedInterrupts & ~bit
        observer?.interruptChanged(number, isRaised: isRaised)
    }

    func controller(_ controller: IDEController, driveEvent event: DriveEvent) {
        observer?.driveFailed(event)
    }
}
