import BlockDMA
import BlockIO
import BlockPCI
import GuestMemory
import IDE

/// A PC without a processor: guest memory, a PCI bus with an IDE controller on it, two interrupt
/// lines. Whoever drives it does what a processor does: reads and writes ports and memory.
///
/// One thread does everything. It sleeps on the controller's descriptors and then polls it.
final class QtestMachine {
    let memory: MachineMemory
    let controller: IDEController
    let drives: [Drive]
    /// Bit n: interrupt line n of a PC is high.
    private(set) var raisedInterrupts: UInt16 = 0

    /// Who hears of interrupts and failures. It has this machine, and so is there as long.
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

    // MARK: What a processor does

    /// `width` is 1, 2 or 4 bytes. A port that nobody answers for reads as all ones.
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

    // MARK: What an I/O loop does

    /// Lets the controller see what the host has completed.
    func poll() {
        if controller.isBusy { controller.poll() }
    }

    /// Runs again what the drives' error policies have stopped the machine for.
    func resume() { controller.resume() }

    /// Waits until the host has nothing to do. False when it will not end: a request is held.
    func drain() -> Bool {
        poll()
        while controller.isBusy {
            if drives.contains(where: \.isHolding) { return false }
            // Not for long: no descriptor tells that a request is held.
            controller.poll(timeout: .milliseconds(10))
        }
        return true
    }

    /// Lets all requests end, the held ones too.
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
