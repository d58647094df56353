import BlockPCI

extension IDEController {
    /// What shows in a configuration register besides what is kept there.
    private func interruptCopies(_ offset: Int) -> UInt8 {
        let pending = router.pending
        return switch offset {
        case CMD646.cfr: pending & 1 != 0 ? CMD646.primaryInCFR : 0
        case CMD646.arttim23: pending & 2 != 0 ? CMD646.secondaryInARTTIM23 : 0
        case CMD646.mrdmode: pending << CMD646.interruptShift
        default: 0
        }
    }

    /// The copies in `width` registers from `offset` on.
    func interruptCopies(_ offset: Int, width: Int) -> UInt32 {
        var copies: UInt32 = 0
        for byte in 0..<width {
            copies |= UInt32(interruptCopies(offset &+ byte)) << UInt32(8 * byte)
        }
        return copies
    }

    /// A configuration register as a guest sees it.
    func shownRegister(_ offset: Int) -> UInt8 {
        function.register(offset) | interruptCopies(offset)
    }

    /// A guest has written a configuration register.
    func registerWritten(_ offset: Int, _ value: UInt8) {
        switch offset {
        case CMD646.cfr where value & CMD646.primaryInCFR != 0: router.acknowledge(1)
        case CMD646.arttim23 where value & CMD646.secondaryInARTTIM23 != 0: router.acknowledge(2)
        case CMD646.mrdmode: router.acknowledge(value >> CMD646.interruptShift & 3)
        default: break
        }
    }

    /// MRDMODE is written where the bus master shows it.
    func writeShownRegister(_ offset: Int, _ value: UInt8) {
        function.setRegister(offset, to: value & CMD646.blockMask)
        registerWritten(offset, value)
        blockChannels()
    }

    /// Follows MRDMODE.
    func blockChannels() {
        guard isCMD646 else { return }
        router.block(function.register(CMD646.mrdmode) >> CMD646.blockShift & 3)
    }
}
