import GuestMemory

// The bus master (SFF-8038i 3.0) and the transfers it starts.
extension IDEChannel {
    /// What became of the descriptor table of a command that is to begin.
    enum Preparation {
        /// The list describes what the command needs.
        case ready
        /// The table describes less than the command needs.
        case short
        /// The table cannot be read, or the function is not allowed to.
        case fault
    }

    /// How a transfer ended, as far as the bus master is concerned.
    enum TransferEnd {
        /// All data was moved.
        case success
        /// It failed, but guest memory has no part in it.
        case failure
        /// Guest memory could not be read or written.
        case fault
    }

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

    /// A drive has a DMA command: it runs when the bus master is started, or at once if it is.
    func arm(_ registers: UnsafeMutablePointer<DriveRegisters>) {
        registers.pointee.isArmed = true
        registers.pointee.status = Status.wantsData
        startIfArmed()
    }

    func startIfArmed() {
        guard state.pointee.busMaster.isActive, registers[0].isArmed || registers[1].isArmed,
            !isFetchingTable()
        else { return }
        defer { state.pointee.table.setFetched(nil) }
        for device in 0..<2 where registers[device].isArmed {
            registers[device].isArmed = false
            state.pointee.isDetached = false
            onDrive(device) { $0.startTransfer() }
        }
    }

    /// The caller is not made to wait: what the host has begun, it ends.
    private func stop() {
        state.pointee.isDetached = true
        for device in 0..<2 { onDrive(device) { $0.stopTransfer() } }
    }

    /// Reads the descriptor table, once, and makes the list for `bytes` bytes.
    func prepareTransfer(_ bytes: UInt64) -> Preparation {
        guard mapper.isOpen else { return .fault }
        do throws(GuestMemoryError) {
            try state.pointee.table.read(
                at: state.pointee.busMaster.table, through: mapper, into: &state.pointee.list)
        } catch {
            return .fault
        }
        return cutList(bytes)
    }

    /// Makes the list again from the table as it was read.
    func describeTransfer(_ bytes: UInt64) -> Preparation {
        state.pointee.table.list(in: &state.pointee.list)
        return cutList(bytes)
    }

    private func cutList(_ bytes: UInt64) -> Preparation {
        let extent = state.pointee.table.cut(&state.pointee.list, to: bytes)
        router.note(
            .table(
                channel: number, entries: state.pointee.table.count,
                bytes: state.pointee.list.total ?? 0))
        state.pointee.isTableLonger = extent == .longer
        return extent == .shorter ? .short : .ready
    }

    /// ACTIVE stays set after a transfer that has not used up its table, until it is stopped.
    func transferEnded(_ end: TransferEnd) {
        if end == .fault { state.pointee.busMaster.noteError() }
        if state.pointee.isDetached { return }
        if end == .success && state.pointee.isTableLonger { return }
        state.pointee.busMaster.finish()
    }
}
