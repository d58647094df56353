// The I/O ports.
extension IDEController {
    /// First ports of the channels in compatibility mode (PCI IDE Controller Specification 1.0,
    /// 2.1).
    private enum Port {
        static let primaryCommand: UInt16 = 0x1F0
        static let primaryControl: UInt16 = 0x3F6
        static let secondaryCommand: UInt16 = 0x170
        static let secondaryControl: UInt16 = 0x376
    }

    /// Reads `width` bytes (1, 2 or 4) at a port, little-endian. Ports that the controller does not
    /// answer at, at the moment, read FFh.
    public func readPort(_ port: UInt16, width: Int) -> UInt32 {
        read(.port(port), width)
    }

    /// Writes the low `width` bytes (1, 2 or 4) of `value` to a port.
    public func writePort(_ port: UInt16, width: Int, value: UInt32) {
        write(.port(port), width, value)
    }

    /// Reads at an offset in what a base address register (0 to 4) decodes, whatever its address.
    public func read(bar: Int, offset: Int, width: Int) -> UInt32 {
        read(.bar(bar, offset: offset), width)
    }

    /// Writes at an offset in what a base address register (0 to 4) decodes, whatever its address.
    public func write(bar: Int, offset: Int, width: Int, value: UInt32) {
        write(.bar(bar, offset: offset), width, value)
    }

    /// A string input: fills `target` as reads of `width` bytes (1, 2 or 4) at one port do, but a
    /// data block at a time. Bytes at the end of `target` that are fewer than `width` do not
    /// change.
    public func transferBlock(
        from port: UInt16, width: Int, into target: UnsafeMutableRawBufferPointer
    ) {
        guard width == 1 || width == 2 || width == 4, !reentrancy.isEntered else { return }
        let count = target.count / width
        if width > 1, case .command(let channel, Offset.data)? = decode(port) {
            unsafe self.channel(channel).readData(
                into: UnsafeMutableRawBufferPointer(rebasing: target[..<(count * width)]))
            return
        }
        for index in 0..<count {
            let value = readPort(port, width: width)
            for byte in 0..<width {
                unsafe target[index * width + byte] = UInt8(
                    truncatingIfNeeded: value >> UInt32(8 * byte))
            }
        }
    }

    /// A string output: writes `source` as writes of `width` bytes (1, 2 or 4) to one port do, but
    /// a data block at a time.
    public func transferBlock(
        to port: UInt16, width: Int, from source: UnsafeRawBufferPointer
    ) {
        guard width == 1 || width == 2 || width == 4, !reentrancy.isEntered else { return }
        let count = source.count / width
        if width > 1, case .command(let channel, Offset.data)? = decode(port) {
            unsafe self.channel(channel).writeData(
                from: UnsafeRawBufferPointer(rebasing: source[..<(count * width)]))
            return
        }
        for index in 0..<count {
            var value: UInt32 = 0
            for byte in 0..<width {
                unsafe value |= UInt32(source[index * width + byte]) << UInt32(8 * byte)
            }
            writePort(port, width: width, value: value)
        }
    }

    // MARK: Which register

    private typealias Offset = IDEChannel.Offset

    /// Where an access begins.
    private enum Place {
        case port(UInt16)
        case bar(Int, offset: Int)
    }

    @inline(__always)
    private func decode(_ place: Place, byte: Int = 0) -> IDERegister? {
        switch place {
        case .port(let port): decode(port &+ UInt16(truncatingIfNeeded: byte))
        case .bar(let bar, let offset): decode(bar: bar, offset: offset &+ byte)
        }
    }

    @inline(__always)
    private func decode(_ port: UInt16) -> IDERegister? {
        if let offset = function.offset(ofPort: port, inBAR: IDEIdentity.busMasterBAR) {
            return .busMaster(offset: offset)
        }
        guard function.isIOEnabled else { return nil }
        return isNative ? decodeNative(port) : decodeCompatible(port)
    }

    private func decodeNative(_ port: UInt16) -> IDERegister? {
        for bar in 0..<IDEIdentity.busMasterBAR {
            if let offset = function.offset(ofPort: port, inBAR: bar),
                let found = decode(bar: bar, offset: offset)
            {
                return found
            }
        }
        return nil
    }

    @inline(__always)
    private func decodeCompatible(_ port: UInt16) -> IDERegister? {
        switch port {
        case Port.primaryCommand...Port.primaryCommand + 7:
            return .command(channel: 0, offset: Int(port & 7))
        case Port.secondaryCommand...Port.secondaryCommand + 7:
            return .command(channel: 1, offset: Int(port & 7))
        case Port.primaryControl: return .control(channel: 0)
        case Port.secondaryControl: return .control(channel: 1)
        default: return nil
        }
    }

    private func decode(bar: Int, offset: Int) -> IDERegister? {
        guard function.isIOEnabled, offset >= 0 else { return nil }
        if bar == IDEIdentity.busMasterBAR {
            return offset < 16 ? .busMaster(offset: offset) : nil
        }
        guard isNative else { return nil }
        switch bar {
        case 0, 2: return offset < 8 ? .command(channel: bar / 2, offset: offset) : nil
        // The control block has its one register at offset 2 (PCI IDE Controller Specification
        // 1.0, 2.2).
        case 1, 3: return offset == 2 ? .control(channel: bar / 2) : nil
        default: return nil
        }
    }

    // MARK: Accesses

    /// Does not retain the channel, which lives as long as the controller.
    @inline(__always)
    private func on<Result>(_ number: Int, _ body: (IDEChannel) -> Result) -> Result {
        number == 0 ? body(primary) : body(secondary)
    }

    private static func allOnes(_ width: Int) -> UInt32 {
        UInt32.max >> UInt32(8 * (4 - clamped(width)))
    }

    /// An access of one byte consumes a word, and an access of four bytes two words.
    private func readData(_ number: Int, width: Int) -> UInt32 {
        let channel = channel(number)
        let low = UInt32(channel.readData())
        switch width {
        case 1: return low & 0xFF
        case 4: return low | UInt32(channel.readData()) << 16
        default: return low
        }
    }

    private func writeData(_ number: Int, width: Int, value: UInt32) {
        let channel = channel(number)
        channel.writeData(UInt16(truncatingIfNeeded: width == 1 ? value & 0xFF : value))
        if width == 4 { channel.writeData(UInt16(truncatingIfNeeded: value >> 16)) }
    }

    @inline(__always)
    private func read(_ place: Place, _ width: Int) -> UInt32 {
        guard !reentrancy.isEntered else { return Self.allOnes(width) }
        guard width == 1, !router.isTraced, let register = decode(place) else {
            return readGeneral(place, width)
        }
        return UInt32(readByte(register))
    }

    /// The general path: an access of any width, traced or not. It is a function of its own, so
    /// that the fast path is short.
    @inline(never)
    private func readGeneral(_ place: Place, _ width: Int) -> UInt32 {
        let first = decode(place)
        if case .command(let channel, Offset.data)? = first {
            return readData(channel, width: width)
        }
        var value: UInt32 = 0
        for byte in 0..<Self.clamped(width) {
            value |= UInt32(decode(place, byte: byte).map(readByte) ?? 0xFF) << UInt32(8 * byte)
        }
        if let first { router.note(.read(first, width: width, value: value)) }
        return value
    }

    @inline(__always)
    private func write(_ place: Place, _ width: Int, _ value: UInt32) {
        guard !reentrancy.isEntered else { return }
        guard width == 1, !router.isTraced, let register = decode(place) else {
            return writeGeneral(place, width, value)
        }
        writeByte(register, UInt8(truncatingIfNeeded: value))
    }

    @inline(never)
    private func writeGeneral(_ place: Place, _ width: Int, _ value: UInt32) {
        let first = decode(place)
        if case .command(let channel, Offset.data)? = first {
            return writeData(channel, width: width, value: value)
        }
        if let first { router.note(.write(first, width: width, value: value)) }
        for byte in 0..<Self.clamped(width) {
            if let register = decode(place, byte: byte) {
                writeByte(register, UInt8(truncatingIfNeeded: value >> UInt32(8 * byte)))
            }
        }
    }

    @inline(__always)
    private func readByte(_ register: IDERegister) -> UInt8 {
        switch register {
        case .command(let number, Offset.data):
            UInt8(truncatingIfNeeded: on(number) { $0.readData() })
        case .command(let number, let offset): on(number) { $0.read(offset) }
        case .control(let number): on(number) { $0.readAlternateStatus() }
        case .busMaster(let offset): readBusMaster(offset)
        case .configuration: 0xFF
        }
    }

    @inline(__always)
    private func readBusMaster(_ offset: Int) -> UInt8 {
        if isCMD646, let shown = CMD646.configurationRegister(ofBusMaster: offset) {
            return shownRegister(shown)
        }
        return on(offset >> 3) { $0.readBusMaster(offset & 7) }
    }

    @inline(__always)
    private func writeBusMaster(_ offset: Int, _ value: UInt8) {
        if isCMD646, let shown = CMD646.configurationRegister(ofBusMaster: offset) {
            return writeShownRegister(shown, value)
        }
        on(offset >> 3) { $0.writeBusMaster(offset & 7, value) }
    }

    @inline(__always)
    private func writeByte(_ register: IDERegister, _ value: UInt8) {
        switch register {
        case .command(let number, Offset.data): on(number) { $0.writeData(UInt16(value)) }
        case .command(let number, let offset): on(number) { $0.write(offset, value) }
        case .control(let number): on(number) { $0.writeControl(value) }
        case .busMaster(let offset): writeBusMaster(offset, value)
        case .configuration: break
        }
    }
}
