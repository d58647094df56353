import GuestMemory

// Descriptor tables in memory of another process: they come before the command starts, which stays
// armed until then.
extension IDEChannel {
    /// Whether the table has still to come.
    func isFetchingTable() -> Bool {
        guard mapper.mayReachRemoteMemory || state.pointee.fetch != nil else { return false }
        return fetchTable()
    }

    private func fetchTable() -> Bool {
        guard !state.pointee.table.isFetched, mapper.isOpen else { return false }
        if state.pointee.fetch != nil { return true }
        let address = GuestAddress(state.pointee.busMaster.table)
        guard let count = mapper.remoteStretch(at: address, limit: PRDTable.maximumSize) else {
            return false
        }
        state.pointee.fetchedTable = state.pointee.busMaster.table
        state.pointee.list.removeAll()
        state.pointee.list.append(address: address, length: UInt64(count))
        let device = registers[0].isArmed ? 0 : 1
        let (transfer, step) = beginTransfer(of: device, .toDevice, unit: 1)
        state.pointee.fetch = .passUnretained(transfer)
        advanceFetch(transfer, step)
        return state.pointee.fetch != nil
    }

    /// Goes on with a transfer that has waited, if it is the table's.
    func resumeFetch(_ transfer: DMATransfer, _ step: DMAStep) -> Bool {
        guard state.pointee.fetch?.toOpaque() == Unmanaged.passUnretained(transfer).toOpaque()
        else { return false }
        advanceFetch(transfer, step)
        guard state.pointee.fetch == nil else { return true }
        // Another table may have been named meanwhile.
        if state.pointee.fetchedTable != state.pointee.busMaster.table {
            state.pointee.table.setFetched(nil)
        }
        startIfArmed()
        state.pointee.table.setFetched(nil)
        return true
    }

    private func advanceFetch(_ transfer: DMATransfer, _ first: DMAStep) {
        var step = first
        while case .submit(let piece) = step {
            step =
                takeTable(piece)
                ? transfer.pieceEnded(transferred: piece.length, isSuccess: true)
                : transfer.memoryFailed(transferred: 0)
        }
        guard case .done(let result) = step else { return }
        state.pointee.fetch = nil
        // What has not come is asked for again when it is read, and refused.
        state.pointee.table.setFetched(
            result.outcome == .success ? Int(clamping: result.transferred) : 0)
    }

    /// False when the memory has gone.
    private func takeTable(_ piece: DMAPiece) -> Bool {
        var place = Int(clamping: piece.offset.rawValue)
        for vector in piece.vectors {
            let bytes = UnsafeRawBufferPointer(start: vector.iov_base, count: vector.iov_len)
            if !state.pointee.table.take(bytes, at: place) { return false }
            place &+= vector.iov_len
        }
        return true
    }
}
