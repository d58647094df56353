import GuestMemory
import IDE

/// The controller's bus-master registers as memory, independent of the address in BAR4. With it, a
/// guest can point the DMA engine at its own registers.
///
/// `@unchecked`: ``MMIODevice`` demands `Sendable`, and the machine uses its memory and its
/// controller on one thread only.
final class BusMasterWindow: MMIODevice, @unchecked Sendable {
    private unowned let controller: IDEController

    init(_ controller: IDEController) { self.controller = controller }

    func read(offset: UInt64, width: Int) -> UInt64? {
        UInt64(controller.read(bar: 4, offset: Int(clamping: offset), width: width))
    }

    func write(offset: UInt64, width: Int, value: UInt64) -> Bool {
        controller.write(
            bar: 4, offset: Int(clamping: offset), width: width,
            value: UInt32(truncatingIfNeeded: value))
        return true
    }
}
