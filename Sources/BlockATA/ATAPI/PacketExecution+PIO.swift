// Data through the data port, in bursts that the guest limits (ATA/ATAPI-6 8.23.4, SFF-8020i 5.5).
extension PacketExecution {
    /// Begins to move the `length` bytes of a packet command. A command without data ends here.
    func beginData(_ kind: PacketJob.Kind, length: UInt64) {
        guard length > 0 || kind == .selecting else { return succeed() }
        job.kind = kind
        job.length = length
        guard length > 0 else { return selectModes() }
        if job.isDMA {
            showReason(kind == .selecting ? InterruptReason.dataOut : InterruptReason.dataIn)
            arm()
        } else if kind == .selecting {
            takeNext()
        } else {
            offerNext()
        }
    }

    /// Bytes in the next burst; only the last burst may have an odd number. 0 when the limit of the
    /// guest allows no data.
    private var burst: UInt64 {
        let job = self.job
        // FFFFh acts as FFFEh.
        let limit = UInt64(min(job.limit, 0xFFFE))
        return limit < job.remaining ? limit & ~1 : job.remaining
    }

    /// Offers the next burst to the guest, once the buffer has it.
    func offerNext() {
        let job = self.job
        guard job.remaining > 0 else { return succeed() }
        var size = burst
        guard size > 0 else { return abort() }
        if job.kind == .reading {
            let sectors = UInt64(job.fields.size)
            let first = job.position / sectors
            let last = (job.position &+ size &- 1) / sectors
            let count = min(last &- first &+ 1, UInt64(ATAPIDrive.bufferSectors))
            size = min(size, (first &+ count) &* sectors &- job.position)
            guard size <= job.available else {
                return request(first, count: Int(count))
            }
        }
        self.job.position &+= size
        showBurst(size, InterruptReason.dataIn)
        open(
            .toHost, buffer, at: job.place, count: Int((size &+ 1) & ~1), interrupt: true)
    }

    /// Asks the guest for the next burst of a parameter list.
    func takeNext() {
        let job = self.job
        guard job.remaining > 0 else { return selectModes() }
        let size = burst
        guard size > 0 else { return abort() }
        self.job.position &+= size
        showBurst(size, InterruptReason.dataOut)
        open(.toDrive, buffer, at: job.place, count: Int((size &+ 1) & ~1), interrupt: true)
    }

    private func showBurst(_ size: UInt64, _ reason: UInt8) {
        registers.pointee.taskFile.lbaMid.current = UInt8(truncatingIfNeeded: size)
        registers.pointee.taskFile.lbaHigh.current = UInt8(truncatingIfNeeded: size >> 8)
        showReason(reason)
    }

    /// MODE SELECT: the parameter list is complete, and is applied.
    func selectModes() {
        let list = buffer.saved(count: Int(clamping: job.length))
        if let sense = settings.mode.select(list) { return fail(sense) }
        succeed()
    }
}
