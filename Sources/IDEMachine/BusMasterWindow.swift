import GuestMemory
import IDE

/// The controller's bus-master registers as memory, wherever BAR4 has them: a guest's way to point
/// a DMA engine at itself.
final class BusMasterWindow: MMIODevice, @unchecked Sendable {
    // One thread does everything, so there is nothing to synchronise.
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
