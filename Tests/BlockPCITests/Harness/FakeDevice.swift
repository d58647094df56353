import BlockPCI
import GuestMemory

/// Registers that keep what is written, an interrupt that tests raise, and a record of all it is told.
final class FakeDevice: PCIDevice, PCIInterruptReceiver {
    /// What a function has told its device or the receiver of its interrupt.
    enum Event: Equatable {
        case read(bar: Int, offset: Int, width: Int)
        case write(bar: Int, offset: Int, width: Int, value: UInt32)
        case configured(offset: Int, width: Int, value: UInt32)
        case pin(Bool)
        case received(Bool)
        case reset
        case poll
    }

    let function: PCIFunction
    var events: [Event] = []
    var isBusy = false
    var descriptors: [CInt] = []
    /// Called before a write to the configuration space is recorded.
    var onConfiguration: () -> Void = {}
    /// Called when the device has been told of its pin, before anybody else is.
    var onPin: (Bool) -> Void = { _ in }
    /// What shows in the configuration space besides what is kept, by offset.
    var overlay: [Int: UInt8] = [:]
    private var registers = [[UInt8]](
        repeating: [UInt8](repeating: 0, count: 1 << 14), count: PCIFunction.barCount)

    init(_ layout: PCIFunctionLayout, on bus: PCIBus) {
        function = PCIFunction(layout, on: bus)
        function.device = self
        function.interruptReceiver = self
    }

    /// The events since this was called last.
    func takeEvents() -> [Event] {
        defer { events = [] }
        return events
    }

    func read(_ function: PCIFunction, bar: Int, offset: Int, width: Int) -> UInt32 {
        events.append(.read(bar: bar, offset: offset, width: width))
        return (0..<width).reduce(0) {
            $0 | UInt32(registers[bar][offset + $1]) << UInt32(8 * $1)
        }
    }

    func write(_ function: PCIFunction, bar: Int, offset: Int, width: Int, value: UInt32) {
        events.append(.write(bar: bar, offset: offset, width: width, value: value))
        for byte in 0..<width {
            registers[bar][offset + byte] = UInt8(truncatingIfNeeded: value >> UInt32(8 * byte))
        }
    }

    func configurationRead(
        _ function: PCIFunction, offset: Int, width: Int, value: UInt32
    ) -> UInt32 {
        overlay.reduce(value) { shown, entry in
            let byte = entry.key &- offset
            return (0..<width).contains(byte)
                ? shown | UInt32(entry.value) << UInt32(8 * byte) : shown
        }
    }

    func configurationWritten(
        _ function: PCIFunction, offset: Int, width: Int, value: UInt32
    ) {
        onConfiguration()
        events.append(.configured(offset: offset, width: width, value: value))
    }

    func interruptChanged(_ function: PCIFunction, isRaised: Bool) {
        events.append(.pin(isRaised))
        onPin(isRaised)
    }

    func interrupt(of function: PCIFunction, isRaised: Bool) { events.append(.received(isRaised)) }

    func reset(_ function: PCIFunction) { events.append(.reset) }

    func poll(_ function: PCIFunction) { events.append(.poll) }
}
