// Counts and addresses (ATA/ATAPI-6 6.2 and 6.20, ATA/ATAPI-5 6.2).
extension DiskExecution {
    /// Takes count and address of a command from the registers.
    func locate(_ kind: DiskJob.Kind, _ command: ATACommand) {
        let file = registers.pointee.taskFile
        var job = DiskJob()
        job.kind = kind
        job.isDurable = command.forcesUnitAccess || !settings.isWriteCacheOn
        if command.is48Bit {
            job.remaining = file.count.word == 0 ? 65536 : Int(file.count.word)
        } else {
            job.remaining = file.count.current == 0 ? 256 : Int(file.count.current)
        }
        if file.device & DeviceRegister.lba == 0 {
            job.addressing = .chs
            job.sector = cylinderHeadSector(file)
        } else if command.is48Bit {
            job.addressing = .lba48
            job.sector = file.address48
        } else {
            job.addressing = .lba28
            job.sector = file.address28
        }
        self.job = job
    }

    private func cylinderHeadSector(_ file: TaskFile) -> UInt64 {
        let heads = UInt64(settings.heads)
        let sectors = UInt64(settings.sectors)
        let head = UInt64(file.device & DeviceRegister.head)
        let sector = UInt64(file.lbaLow.current)
        guard head < heads, sector >= 1, sector <= sectors else { return DiskJob.nowhere }
        let cylinder = UInt64(file.lbaMid.current) | UInt64(file.lbaHigh.current) << 8
        return (cylinder &* heads &+ head) &* sectors &+ sector &- 1
    }

    /// Shows a sector in the address registers.
    func show(sector: UInt64) {
        switch job.addressing {
        case .lba48: registers.pointee.taskFile.set48(sector)
        case .lba28: registers.pointee.taskFile.set28(sector)
        case .chs:
            let heads = UInt64(settings.heads)
            let sectors = UInt64(settings.sectors)
            guard heads > 0, sectors > 0 else { return }
            let track = sector / sectors
            let cylinder = track / heads
            registers.pointee.taskFile.lbaLow.current =
                UInt8(truncatingIfNeeded: sector % sectors &+ 1)
            registers.pointee.taskFile.lbaMid.current = UInt8(truncatingIfNeeded: cylinder)
            registers.pointee.taskFile.lbaHigh.current = UInt8(truncatingIfNeeded: cylinder >> 8)
            registers.pointee.taskFile.setHead(UInt8(truncatingIfNeeded: track % heads))
        }
    }

    /// So many sectors have been dealt with: the registers show the next one, and how many are left.
    func advance(_ sectors: Int) {
        job.remaining &-= sectors
        if job.sector != DiskJob.nowhere {
            job.sector &+= UInt64(sectors)
            show(sector: job.sector)
        }
        let left = job.remaining
        registers.pointee.taskFile.count.current = UInt8(truncatingIfNeeded: left)
        if job.addressing == .lba48 {
            registers.pointee.taskFile.count.previous = UInt8(truncatingIfNeeded: left >> 8)
        }
    }

    /// Whether the next `sectors` sectors are on the disk.
    func isInside(_ sectors: Int) -> Bool { isInside(job.sector, sectors) }

    /// Whether `sectors` sectors from `sector` on are on the disk.
    func isInside(_ sector: UInt64, _ sectors: Int) -> Bool {
        ATADrive.isInside(sector, sectors, of: state.pointee.sectorCount)
    }

    /// The command reaches outside the disk: the registers name the first sector that does.
    func failOutside() {
        let sector = job.sector
        if sector < state.pointee.sectorCount {
            advance(Int(clamping: state.pointee.sectorCount &- sector))
        }
        fail(ErrorBits.idNotFound)
    }
}
