// Data through the data port, in bursts that the host limits (ATA/ATAPI-6 8.23.4, SFF-8020i 5.5).
extension ATAPIDrive {
    /// A packet command has `length` bytes to move, or none: then it has ended.
    func beginData(_ kind: PacketJob.Kind, length: UInt64) {
        guard length > 0 || kind == .selecting else { return succeed() }
        state.pointee.job.kind = kind
        state.pointee.job.length = length
        guard length > 0 else { return finishSelect() }
        if state.pointee.job.isDMA {
            showReason(kind == .selecting ? InterruptReason.dataOut : InterruptReason.dataIn)
            channel.arm(registers)
        } else if kind == .selecting {
            takeNext()
        } else {
            offerNext()
        }
    }

    /// Bytes in the next burst: only the last one may have an odd number. 0 when the host's limit
    /// lets nothing through.
    private var burst: UInt64 {
        let job = state.pointee.job
        // FFFFh acts as FFFEh.
        let limit = UInt64(min(job.limit, 0xFFFE))
        return limit < job.remaining ? limit & ~1 : job.remaining
    }

    /// Offers the next burst to the host, once the buffer has it.
    func offerNext() {
        let job = state.pointee.job
        guard job.remaining > 0 else { return succeed() }
        var size = burst
        guard size > 0 else { return abort() }
        if job.kind == .reading {
            let sectors = UInt64(job.fields.size)
            let first = job.position / sectors
            let last = (job.position &+ size &- 1) / sectors
            let count = min(last &- first &+ 1, UInt64(Self.bufferSectors))
            size = min(size, (first &+ count) &* sectors &- job.position)
            guard size <= job.available else {
                return request(first, count: Int(count))
            }
        }
        state.pointee.job.position &+= size
        showBurst(size, InterruptReason.dataIn)
        offer(.toHost, buffer + job.place, count: Int((size &+ 1) & ~1))
        channel.raiseInterrupt()
    }

    /// Asks the host for the next burst of a parameter list.
    func takeNext() {
        let job = state.pointee.job
        guard job.remaining > 0 else { return finishSelect() }
        let size = burst
        guard size > 0 else { return abort() }
        state.pointee.job.position &+= size
        showBurst(size, InterruptReason.dataOut)
        offer(.toDrive, buffer + job.place, count: Int((size &+ 1) & ~1))
        channel.raiseInterrupt()
    }

    private func showBurst(_ size: UInt64, _ reason: UInt8) {
        registers.pointee.taskFile.lbaMid.current = UInt8(truncatingIfNeeded: size)
        registers.pointee.taskFile.lbaHigh.current = UInt8(truncatingIfNeeded: size >> 8)
        showReason(reason)
    }

    /// MODE SELECT: the list is complete.
    func finishSelect() {
        let list = UnsafeRawBufferPointer(
            start: buffer, count: Int(clamping: state.pointee.job.length))
        if let sense = state.pointee.settings.mode.select(list) { return fail(sense) }
        succeed()
    }
}
