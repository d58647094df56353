import BlockDMA
import BlockHost
import BlockIO
import GuestMemory

// What the driver wants: requests from the ring to the host.
extension VirtioBlockQueue {
    /// The unit of positions in requests, whatever the size of the disk's blocks.
    static let sectorSize: UInt64 = 512

    /// Begins the request whose first descriptor is `head`.
    @inline(__always)
    func begin(_ head: UInt16) {
        let state = state
        guard Int(head) < state.pointee.ring.size else { return breakRing(.descriptorIndex) }
        let slot = state.pointee.slots.slot(Int(head))
        guard slot.pointee.kind == .none else { return breakRing(.headInUse) }
        state.pointee.log?.requestTaken(head)
        if !beginSimple(slot, head) { beginAny(slot, head) }
    }

    // MARK: The fast path

    /// Begins a read or a write of whole sectors inside the disk whose data is RAM in one piece. Any other
    /// request is left as it is, and the answer is false.
    @inline(__always)
    private func beginSimple(_ slot: StablePointer<RequestSlot>, _ head: UInt16) -> Bool {
        let state = state
        guard
            let request = state.pointee.simple.read(
                Int(head), of: &state.pointee.ring, allowsTables: state.pointee.allowsTables),
            request.length & (Self.sectorSize &- 1) == 0,
            isInside(request.sector, request.length / Self.sectorSize)
        else { return false }
        let isRead = request.kind == RequestType.read
        guard
            isRead
                ? request.isWritable
                : request.kind == RequestType.write && !request.isWritable
                    && state.pointee.takesVolatileWrites,
            let host = unsafe state.pointee.ring.take(
                request.data, length: request.length, as: &slot.pointee.piece)
        else { return false }
        slot.pointee.kind = isRead ? .read : .write
        slot.pointee.isDirect = true
        slot.pointee.status = request.status
        state.pointee.inFlight &+= 1
        state.pointee.service.taken &+= 1
        let offset = request.sector &* Self.sectorSize
        // The piece keeps the memory until the completion, and the list stays as long.
        let list = unsafe state.pointee.slots.list(Int(head), host, request.length)
        if isRead {
            unsafe queue.readv(list, at: offset, userData: UInt(head))
        } else {
            unsafe queue.writev(list, at: offset, userData: UInt(head))
        }
        return true
    }

    /// Turns a request of the fast path that ends otherwise than with success, or is abandoned, into one of
    /// the general path.
    @inline(never)
    func leaveFastPath(_ slot: StablePointer<RequestSlot>, _ head: Int) {
        slot.pointee.isDirect = false
        let transfer = mapper.adopt(
            slot.pointee.piece, slot.pointee.kind == .read ? .fromDevice : .toDevice,
            userData: UInt(head))
        // Its answers are the host request's from here on.
        unsafe slot.pointee.host.adopt(transfer)
    }

    // MARK: The general path

    @inline(never)
    private func beginAny(_ slot: StablePointer<RequestSlot>, _ head: UInt16) {
        let state = state
        if let fault = readChain(head) { return breakRing(fault) }
        guard let status = state.pointee.chain.status else { return breakRing(.status) }
        slot.pointee.status = status
        state.pointee.inFlight &+= 1
        state.pointee.service.taken &+= 1
        switch state.pointee.chain.kind {
        case RequestType.read: beginRead(slot, head)
        case RequestType.write: beginWrite(slot, head)
        default: beginOther(slot, head)
        }
    }

    private func readChain(_ head: UInt16) -> VirtioRingFault? {
        let state = state
        return state.pointee.chain.read(
            head, of: &state.pointee.ring, mapper, allowsTables: state.pointee.allowsTables)
    }

    // MARK: Transfers

    private func beginRead(_ slot: StablePointer<RequestSlot>, _ head: UInt16) {
        let bytes = state.pointee.chain.writableBytes
        slot.pointee.kind = .read
        guard let offset = offset(of: bytes) else {
            return finish(slot, head, .ioError, written: 0)
        }
        if bytes == 0 { return finish(slot, head, .ok, written: 0) }
        let (transfer, step) = mapper.begin(
            state.pointee.chain.writable, .fromDevice, unit: Int(Self.sectorSize),
            userData: UInt(head))
        // Its answers are the host request's from here on.
        let answer = unsafe slot.pointee.host.begin(transfer, step, on: queue, at: offset)
        if case .transferCompleted(let result) = answer { fail(result, slot, head) }
    }

    private func beginWrite(_ slot: StablePointer<RequestSlot>, _ head: UInt16) {
        let bytes = state.pointee.chain.readableBytes
        slot.pointee.kind = .write
        guard let offset = offset(of: bytes), isWritable else {
            return finish(slot, head, .ioError, written: 0)
        }
        if bytes == 0 { return finish(slot, head, .ok, written: 0) }
        let (transfer, step) = mapper.begin(
            state.pointee.chain.readable, .toDevice, unit: Int(Self.sectorSize),
            userData: UInt(head))
        // Its answers are the host request's from here on.
        let answer = unsafe slot.pointee.host.begin(
            transfer, step, on: queue, at: offset,
            durability: device.isWriteCacheOn ? .volatile : .forceUnitAccess)
        if case .transferCompleted(let result) = answer { fail(result, slot, head) }
    }

    /// The memory of a transfer does not exist.
    @inline(never)
    private func fail(
        _ result: DMAResult, _ slot: StablePointer<RequestSlot>, _ head: UInt16
    ) {
        finish(slot, head, .ioError, written: 0)
    }

    private var isWritable: Bool { device.image.access == .readWrite }

    /// Where the data of the request begins in the image; `nil` if it is not whole sectors of it.
    @inline(__always)
    private func offset(of bytes: UInt64) -> UInt64? {
        let sector = state.pointee.chain.sector
        guard bytes & (Self.sectorSize &- 1) == 0,
            isInside(sector, bytes / Self.sectorSize)
        else { return nil }
        return sector &* Self.sectorSize
    }

    /// Whether `count` sectors from `sector` on are on the disk.
    @inline(__always)
    private func isInside(_ sector: UInt64, _ count: UInt64) -> Bool {
        let sectors = state.pointee.sectors
        return sector <= sectors && count <= sectors &- sector
    }

    // MARK: Requests without data

    @inline(never)
    private func beginOther(_ slot: StablePointer<RequestSlot>, _ head: UInt16) {
        let kind = state.pointee.chain.kind
        switch kind {
        case RequestType.flush:
            slot.pointee.kind = .flush
            queue.flush(userData: slot.pointee.host.submit())
        case RequestType.identify: beginIdentify(slot, head)
        case RequestType.discard where state.pointee.canDiscard: beginRange(.discard, slot, head)
        case RequestType.writeZeroes where state.pointee.canWriteZeroes:
            beginRange(.writeZeroes, slot, head)
        default: finish(slot, head, .unsupported, written: 0)
        }
    }

    /// A discard or a write of zeroes: one range (`max_discard_seg`, `max_write_zeroes_seg`).
    private func beginRange(
        _ kind: RequestSlot.Kind, _ slot: StablePointer<RequestSlot>, _ head: UInt16
    ) {
        // More than one range, which QEMU's device answers in this way too.
        guard state.pointee.chain.readableBytes <= 16 else {
            return finish(slot, head, .unsupported, written: 0)
        }
        guard let range = readRange() else { return finish(slot, head, .ioError, written: 0) }
        let unmaps = range.flags == 1
        // A discard has no flags (virtio 1.2, 5.2.6.2).
        guard range.flags == 0 || (unmaps && kind == .writeZeroes) else {
            return finish(slot, head, .unsupported, written: 0)
        }
        guard isWritable, range.count <= UInt64(Self.limit), isInside(range.sector, range.count)
        else { return finish(slot, head, .ioError, written: 0) }
        slot.pointee.kind = kind
        let (offset, length) = (
            range.sector &* Self.sectorSize, range.count &* Self.sectorSize
        )
        let tag = slot.pointee.host.submit()
        if kind == .discard {
            queue.discard(at: offset, length: length, userData: tag)
        } else {
            var options: ZeroOptions = device.isWriteCacheOn ? [] : .forceUnitAccess
            if unmaps { options.insert(.unmap) }
            queue.writeZeroes(at: offset, length: length, options: options, userData: tag)
        }
    }

    private static var limit: UInt32 { VirtioBlockDevice.rangeLimit }

    /// The range of a discard or a write of zeroes; `nil` unless there is one, and only one.
    private func readRange() -> (sector: UInt64, count: UInt64, flags: UInt32)? {
        guard state.pointee.chain.readableBytes == 16 else { return nil }
        var words = (UInt64(0), UInt64(0))
        let (transfer, step) = mapper.begin(state.pointee.chain.readable, .toDevice)
        let last = unsafe withUnsafeMutableBytes(of: &words) { bytes in
            unsafe transfer.copyPieces(from: step, bytes)
        }
        guard case .done(let result) = last else {
            // It waits for memory that no driver uses for this.
            _ = transfer.cancel()
            return nil
        }
        guard result.outcome == .success else { return nil }
        let rest = UInt64(littleEndian: words.1)
        return (UInt64(littleEndian: words.0), rest & 0xFFFF_FFFF, UInt32(rest >> 32))
    }

    // MARK: GET_ID

    private func beginIdentify(_ slot: StablePointer<RequestSlot>, _ head: UInt16) {
        slot.pointee.kind = .identify
        state.pointee.chain.shortenWritable(to: UInt64(Self.identitySize))
        guard state.pointee.chain.writableBytes > 0 else {
            return finish(slot, head, .ok, written: 0)
        }
        let (transfer, step) = mapper.begin(
            state.pointee.chain.writable, .fromDevice, userData: UInt(head))
        // Its answers are the host request's from here on.
        identify(unsafe slot.pointee.host.begin(transfer, step), slot, head)
    }

    /// Copies the serial number, piece by piece.
    func identify(_ step: DMAStep, _ slot: StablePointer<RequestSlot>, _ head: UInt16) {
        var step = step
        while case .submit(let piece) = step {
            let start = Int(clamping: piece.offset.rawValue)
            let count = Int(clamping: piece.length)
            let source = unsafe state.pointee.identity.address(of: start, count: count)
            var cursor = DMAPieceCursor(piece)
            if unsafe cursor.move(source, count: count, .fromDevice) == nil {
                step = slot.pointee.host.memoryFailed(transferred: cursor.done)
            } else {
                step = slot.pointee.host.pieceEnded(
                    transferred: piece.length, isSuccess: true)
            }
        }
        guard case .done(let result) = step else { return }
        finish(
            slot, head, result.outcome == .success ? .ok : .ioError, written: result.transferred)
    }
}
