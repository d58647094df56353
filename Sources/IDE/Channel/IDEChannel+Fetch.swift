import BlockDMA
import GuestMemory

// Descriptor tables in memory of another process are fetched before the command starts. The command
// stays armed until then.
extension IDEChannel {
    /// Begins to fetch the table, if it is in memory of another process. Whether it has still to come.
    func fetchTable() -> Bool {
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
        // The mapper keeps it until `advanceFetch` sees the step `done`, and takes it from here.
        unsafe state.pointee.fetch = TransferReference(transfer)
        advanceFetch(transfer, step)
        return state.pointee.fetch != nil
    }

    /// Goes on with a transfer that has waited, if it is the table's.
    func resumeFetch(_ transfer: DMATransfer, _ step: DMAStep) -> Bool {
        guard unsafe state.pointee.fetch == TransferReference(transfer) else { return false }
        advanceFetch(transfer, step)
        guard state.pointee.fetch == nil else { return true }
        // The guest may have changed the table pointer or the table meanwhile.
        if state.pointee.fetchedTable != state.pointee.busMaster.table {
            state.pointee.table.setFetched(nil)
        }
        startIfArmed()
        state.pointee.table.setFetched(nil)
        return true
    }

    private func advanceFetch(_ transfer: DMATransfer, _ step: DMAStep) {
        guard case .done(let result) = state.pointee.table.fetch(step, of: transfer) else { return }
        state.pointee.fetch = nil
        // Entries that were not fetched fail when the table is read.
        state.pointee.table.setFetched(
            result.outcome == .success ? Int(clamping: result.transferred) : 0)
    }
}
