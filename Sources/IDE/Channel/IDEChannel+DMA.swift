import BlockATA
import BlockDMA
import BlockIO
import GuestMemory

// The bus master (SFF-8038i 3.0) and the transfers it starts.
extension IDEChannel {
    func readBusMaster(_ offset: Int) -> UInt8 { state.pointee.busMaster.read(offset) }

    func writeBusMaster(_ offset: Int, _ value: UInt8) {
        switch offset {
        case 0:
            switch state.pointee.busMaster.writeCommand(value) {
            case .start: startIfArmed()
            case .stop: stop()
            case .none: break
            }
        case 2: state.pointee.busMaster.writeStatus(value)
        case 4...7: state.pointee.busMaster.writeTable(byte: offset, value)
        default: break
        }
    }

    /// Starts the command that is armed, once the bus master is started and the table is there.
    @inline(__always)
    func startIfArmed() {
        if registers[0].isArmed || registers[1].isArmed { startArmed() }
    }

    private func startArmed() {
        guard state.pointee.busMaster.isActive, !isFetchingTable() else { return }
        defer { state.pointee.table.setFetched(nil) }
        for device in 0..<2 where registers[device].isArmed {
            state.pointee.isDetached = false
            answerDemand(of: device)
        }
    }

    /// Whether the table has still to be fetched from another process.
    func isFetchingTable() -> Bool {
        guard mapper.mayReachRemoteMemory || state.pointee.fetch != nil else { return false }
        return fetchTable()
    }

    /// Carries out again the commands that the drives' policies keep.
    func retry() {
        for device in 0..<2 {
            drives[device].retry(on: self)
            if registers[device].isArmed && registers[device].demand.isRepeated {
                answerDemand(of: device)
            }
        }
    }

    /// Begins the transfer of an armed command if its descriptor table allows it.
    private func answerDemand(of device: Int) {
        registers[device].isArmed = false
        let demand = registers[device].demand
        if let refusal = readTable(demand) {
            return drives[device].refuse(refusal, tag: Self.tag, on: self)
        }
        let (transfer, step) = beginTransfer(of: device, demand.direction, unit: demand.unit)
        drives[device].begin(transfer, step, tag: Self.tag, on: self)
    }

    /// Begins the transfer of `device` that the list describes.
    func beginTransfer(
        of device: Int, _ direction: DMADirection, unit: Int
    ) -> (DMATransfer, DMAStep) {
        if state.pointee.accounts.device != device { chargeTransfers(to: device) }
        return mapper.begin(state.pointee.list, direction, unit: unit)
    }

    /// Reads the descriptor table, once, and makes the list that a command demands of it.
    private func readTable(_ demand: TransferDemand) -> TransferRefusal? {
        if demand.isRepeated {
            state.pointee.table.list(in: &state.pointee.list)
        } else {
            guard mapper.isOpen else { return .fault }
            do throws(GuestMemoryError) {
                try state.pointee.table.read(
                    at: state.pointee.busMaster.table, through: mapper, into: &state.pointee.list)
            } catch {
                return .fault
            }
        }
        if cutList(demand.bytes) == .shorter { return .short }
        return demand.isUnwanted ? .unwanted : nil
    }

    /// Does not wait: the host completes the request that it already has.
    private func stop() {
        state.pointee.isDetached = true
        state.pointee.fetchedTable = nil
        for device in 0..<2 { drives[device].stop(tag: Self.tag, on: self) }
    }

    private func cutList(_ bytes: UInt64) -> PRDTable.Extent {
        let extent = state.pointee.table.cut(&state.pointee.list, to: bytes)
        router.note(
            .table(
                channel: number, entries: state.pointee.table.count,
                bytes: state.pointee.list.total ?? 0))
        state.pointee.isTableLonger = extent == .longer
        return extent
    }
}

// What the drives tell their channel: commands that end, windows, failures.
extension IDEChannel: ATACarrier {
    func commandEnded(_ end: CommandEnd, tag: Int, device: Int) {
        if let transfer = end.transfer { updateBusMaster(after: transfer) }
        router.note(.status(slot(device), status: end.status, error: end.error))
        if end.isInterrupting { raiseInterrupt() }
    }

    /// ACTIVE stays set after a transfer that has not used up its table, until it is stopped.
    private func updateBusMaster(after end: CommandEnd.Transfer) {
        switch end {
        case .success:
            if state.pointee.isTableLonger { return }
        case .failure: break
        case .fault: state.pointee.busMaster.noteError()
        }
        if !state.pointee.isDetached { state.pointee.busMaster.clearActive() }
    }

    func windowOpened(_ isInterrupting: Bool, tag: Int, device: Int) {
        router.note(.status(slot(device), status: Status.wantsData, error: 0))
        if isInterrupting { raiseInterrupt() }
    }

    func packetTaken(_ packet: CommandPacket, tag: Int, device: Int) {
        router.note(.packet(slot(device), (0..<CommandPacket.size).map { packet[$0] }))
    }

    func commandDropped(tag: Int, device: Int) { state.pointee.busMaster.clearActive() }

    func requestFailed(
        _ completion: BlockCompletion, _ action: ErrorAction, tag: Int, device: Int
    ) {
        let event = DriveEvent(
            slot: slot(device), operation: completion.operation,
            failure: completion.failure ?? .system, errno: completion.errno, action: action)
        router.tell { $0.controller($1, driveEvent: event) }
    }
}
