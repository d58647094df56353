import BlockDMA
import BlockIO
import Glibc

// Reading the disc (MMC-5 6.16, 6.17, 6.19, 6.20).
extension PacketExecution {
    /// Reads `count` sectors from `block` on. A count of 0 succeeds for any block (6.16.2.5).
    func read(_ block: UInt32, count: UInt32, _ fields: SectorFields) {
        guard count > 0 else { return succeed() }
        guard let disc, disc.contains(UInt64(block), count: UInt64(count)) else {
            return fail(.blockOutOfRange)
        }
        job.block = block
        job.fields = fields
        state.pointee.lastBlock = block &+ (count &- 1)
        beginData(.reading, length: UInt64(count) &* UInt64(fields.size))
    }

    func readCD(_ packet: CommandPacket, _ disc: Disc, _ block: UInt32, count: UInt32) {
        // 6.19.2.1: bits 4:2, the type of sector that is expected.
        guard let kind = disc.layout.sectorKind(expected: packet[1] >> 2 & 0x07) else {
            return fail(.illegalMode)
        }
        // 6.19.2.8: there is no sub-channel data to add.
        guard packet[10] & 0x07 == 0,
            let fields = SectorFields(mainChannelSelection: packet[9], of: kind)
        else { return fail(.invalidField) }
        // A sector of a DVD has nothing around its user data that this command could read.
        guard !disc.isDVD || fields.isUserData || fields == .none else {
            return fail(.illegalMode)
        }
        // Sectors of which nothing is asked for have to be there all the same.
        if fields == .none, count > 0, !disc.contains(UInt64(block), count: UInt64(count)) {
            return fail(.blockOutOfRange)
        }
        read(block, count: fields == .none ? 0 : count, fields)
    }

    /// 6.20: from one address to the one before another.
    func readCDMSF(_ packet: CommandPacket, _ disc: Disc) {
        let first = DiscAddress(minute: packet[3], second: packet[4], frame: packet[5])
        let last = DiscAddress(minute: packet[6], second: packet[7], frame: packet[8])
        guard first.isValid, last.isValid, first.block <= last.block else {
            return fail(.invalidField)
        }
        guard let block = UInt32(exactly: first.block) else { return fail(.blockOutOfRange) }
        readCD(packet, disc, block, count: UInt32(last.block - first.block))
    }

    // MARK: The host's part

    /// Reads `count` sectors into the buffer; `first` is the number of the first within the
    /// command.
    func request(_ first: UInt64, count: Int) {
        job.heldFirst = first
        job.heldCount = 0
        job.inHand = count
        submit()
    }

    /// Submits the host request of the command, also to repeat it after a policy has kept it.
    func submit() {
        let job = self.job
        guard !job.isMediumGone, let medium = state.pointee.medium else {
            return failTransfer(.mediumNotPresent)
        }
        let (queue, layout) = (medium.queue, medium.disc.layout)
        registers.pointee.status = Status.working
        let tag = host.pointee.submit()
        let offset = (UInt64(job.block) &+ job.heldFirst) &* UInt64(layout.stride)
        if layout.isRaw {
            unsafe queue.read(
                into: buffer.bytes(count: job.inHand &* RawSector.size), at: offset,
                userData: tag)
        } else if job.fields.isUserData {
            unsafe queue.read(
                into: buffer.bytes(count: job.inHand &* Disc.blockSize), at: offset,
                userData: tag)
        } else {
            for index in 0..<job.inHand {
                unsafe vectors[index] = unsafe iovec(
                    iov_base: buffer.address(
                        of: index &* RawSector.size &+ RawSector.userData, count: Disc.blockSize),
                    iov_len: Disc.blockSize)
            }
            unsafe queue.readv(
                UnsafeBufferPointer(start: vectors, count: job.inHand), at: offset,
                userData: tag)
        }
    }

    /// The host has completed the request of ``submit()``.
    func sectorsRead(_ completion: BlockCompletion) {
        if job.isMediumGone { return failTransfer(.mediumNotPresent) }
        if !completion.isSuccess {
            switch decide(completion) {
            case .stop: return park()
            case .report:
                return failTransfer(
                    .unrecoveredRead(
                        job.block
                            &+ UInt32(truncatingIfNeeded: job.heldFirst)
                            &+ UInt32(completion.transferred / UInt64(layout.stride))))
            case .ignore: conceal(completion)
            }
        }
        if layout.isRaw || !job.fields.isUserData { completeSectors() }
        job.heldCount = job.inHand
        if job.isDMA { moveData() } else { offerNext() }
    }

    /// How the disc of the command is stored.
    var layout: SectorLayout { state.pointee.medium?.disc.layout ?? .blocks }

    /// Adds the fields that the image does not have, and keeps only the requested fields, without
    /// gaps.
    private func completeSectors() {
        let job = self.job
        let isOnImage = layout.isRaw
        let block = job.block &+ UInt32(truncatingIfNeeded: job.heldFirst)
        for index in 0..<job.inHand {
            let sector = unsafe buffer.address(of: index &* RawSector.size, count: RawSector.size)
            if !isOnImage { unsafe RawSector.complete(sector, block: block &+ UInt32(index)) }
            unsafe memmove(
                buffer.address(of: index &* job.fields.size, count: job.fields.size),
                sector + job.fields.range.lowerBound, job.fields.size)
        }
    }

    /// Clears what a failed read has not filled, so that the guest sees no data of an earlier
    /// command.
    private func conceal(_ completion: BlockCompletion) {
        let job = self.job
        let layout = layout
        let good = Int(clamping: completion.transferred) / layout.stride
        for index in min(good, job.inHand)..<job.inHand {
            let place =
                layout.isRaw
                ? index &* RawSector.size
                : job.fields.isUserData
                    ? index &* Disc.blockSize : index &* RawSector.size &+ RawSector.userData
            buffer.clear(at: place, count: layout.stride)
        }
    }

    // MARK: Completions

    /// The host has completed a request. All requests are the drive's own, those that fill a piece
    /// included.
    func requestCompleted(_ completion: BlockCompletion) {
        switch host.pointee.complete(completion) {
        case .succeeded, .failed:
            if job.isDirect { pieceCompleted(completion) } else { sectorsRead(completion) }
        case .pending, .transferCompleted, .released: break
        }
    }

    func repeatRequest() { submit() }
}
