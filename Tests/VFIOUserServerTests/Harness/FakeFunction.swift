import BlockPCI
import Glibc
import GuestMemory

@testable import TestSupport

/// A function with registers that keep what is written, and a DMA engine that tests start.
final class FakeFunction: PCIDevice {
    /// An access as it reached the function, by the numbers of ``VFIORegion``.
    struct Access: Equatable {
        var region: UInt32
        var offset: Int
        var width: Int
        var value: UInt32?
    }

    /// What a server serves; its memory is that of its bus.
    let pci: PCIFunction
    private(set) var accesses: [Access] = []
    private(set) var resets = 0
    var isBusy = false
    var descriptors: [CInt] = []
    private var registers = [[UInt8]](
        repeating: [UInt8](repeating: 0, count: 256), count: Int(VFIORegion.count))

    // MARK: Registers

    init(_ memory: AddressSpace) {
        var layout = PCIFunctionLayout(
            PCIIdentity(vendor: 0x1234, device: 0x5678, baseClass: 0xFF, subclass: 0))
        layout.bars = [8, 4, 8, 4, 16].map { .io(size: $0) }
        layout.interruptPin = .a
        // The registers always answer, whatever a peer writes.
        layout.registers = [
            PCIRegisterBlock(at: PCIRegister.command, reset: [UInt8(PCICommandBits.io)])
        ]
        pci = PCIFunction(layout, on: PCIBus(memory))
        pci.device = self
    }

    func configurationRead(
        _ function: PCIFunction, offset: Int, width: Int, value: UInt32
    ) -> UInt32 { read(VFIORegion.configuration, offset, width) }

    func configurationWritten(
        _ function: PCIFunction, offset: Int, width: Int, value: UInt32
    ) { write(VFIORegion.configuration, offset, width, value) }

    func read(_ function: PCIFunction, bar: Int, offset: Int, width: Int) -> UInt32 {
        read(UInt32(bar), offset, width)
    }

    func write(_ function: PCIFunction, bar: Int, offset: Int, width: Int, value: UInt32) {
        write(UInt32(bar), offset, width, value)
        if bar == VFIORegion.bar4 && offset == 0 { onDoorbell() }
    }

    private func read(_ region: UInt32, _ offset: Int, _ width: Int) -> UInt32 {
        accesses.append(Access(region: region, offset: offset, width: width))
        return (0..<width).reduce(0) {
            $0 | UInt32(registers[Int(region)][offset + $1]) << UInt32(8 * $1)
        }
    }

    private func write(_ region: UInt32, _ offset: Int, _ width: Int, _ value: UInt32) {
        accesses.append(Access(region: region, offset: offset, width: width, value: value))
        for byte in 0..<width {
            registers[Int(region)][offset + byte] = UInt8(
                truncatingIfNeeded: value >> UInt32(8 * byte))
        }
    }

    func reset(_ function: PCIFunction) { resets += 1 }

    // MARK: DMA

    /// The message that writes the register at offset 0 of BAR 4, the doorbell.
    static let ringDoorbell = VFIORequest.write(VFIORegion.bar4, 0, [1])
    /// Called when the doorbell is written.
    var onDoorbell: () -> Void = {}
    var mapper: DMAMapper?
    /// Bytes of transfers to the device, and those that transfers from it are given.
    var data: [UInt8] = []
    /// Pieces stay submitted until this is false.
    var holdsPieces = false
    private(set) var results: [DMAResult] = []
    private var held: (DMATransfer, DMAPiece)?

    /// Begins a transfer; the result is `nil` when the function has no mapper.
    @discardableResult
    func start(_ direction: DMADirection, _ elements: [(UInt64, Int)]) -> DMATransfer? {
        guard let mapper else { return nil }
        var list = ScatterGatherList(capacity: elements.count)
        for (address, length) in elements {
            list.append(address: GuestAddress(address), length: UInt64(length))
        }
        let (transfer, step) = mapper.begin(list, direction, unit: 512)
        advance(transfer, step)
        return transfer
    }

    /// How often the server had news for the function.
    private(set) var polls = 0

    func poll(_ function: PCIFunction) {
        polls += 1
        mapper?.resume { advance($0, $1) }
    }

    /// Drops what has not been submitted of a transfer.
    func cancel(_ transfer: DMATransfer) {
        if let step = transfer.cancel() { advance(transfer, step) }
    }

    /// Ends the piece that is held.
    func finishPiece() {
        guard let (transfer, piece) = held else { return }
        held = nil
        advance(transfer, move(transfer, piece))
    }

    private func advance(_ transfer: DMATransfer, _ first: DMAStep) {
        var step = first
        while case .submit(let piece) = step {
            if holdsPieces {
                held = (transfer, piece)
                return
            }
            step = move(transfer, piece)
        }
        if case .done(let result) = step { results.append(result) }
    }

    private func move(_ transfer: DMATransfer, _ piece: DMAPiece) -> DMAStep {
        var place = Int(piece.offset.rawValue)
        if data.count < place + Int(piece.length) {
            data += [UInt8](repeating: 0, count: place + Int(piece.length) - data.count)
        }
        for vector in piece.vectors {
            let memory = UnsafeMutableRawBufferPointer(
                start: vector.iov_base, count: vector.iov_len)
            switch transfer.direction {
            case .toDevice:
                data.replaceSubrange(place..<place + memory.count, with: Array(memory))
            case .fromDevice: memory.copyBytes(from: data[place..<place + memory.count])
            }
            place += vector.iov_len
        }
        return transfer.pieceEnded(transferred: piece.length, isSuccess: true)
    }
}
