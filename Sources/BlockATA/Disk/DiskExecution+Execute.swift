// The commands of a disk by their codes (ATA/ATAPI-6 clause 8).
extension DiskExecution {
    func execute(_ command: UInt8) {
        self.command.pointee.opcode = command
        self.command.pointee.parameters = registers.pointee.taskFile
        guard let command = ATACommand(rawValue: command) else { return executeShared(command) }
        switch command {
        case .readSectors, .readSectorsNoRetry, .readSectorsExt:
            readBlocks(command, of: 1)
        case .readMultiple, .readMultipleExt:
            readBlocks(command, of: Int(settings.multiple))
        case .writeSectors, .writeSectorsNoRetry, .writeSectorsExt:
            writeBlocks(command, of: 1)
        case .writeMultiple, .writeMultipleExt, .writeMultipleFUAExt:
            writeBlocks(command, of: Int(settings.multiple))
        case .readDMA, .readDMANoRetry, .readDMAExt:
            armTransfer(.readingDMA, command)
        case .writeDMA, .writeDMANoRetry, .writeDMAExt, .writeDMAFUAExt:
            armTransfer(.writingDMA, command)
        case .dataSetManagement: manageDataSet()
        case .readVerify, .readVerifyNoRetry, .readVerifyExt: verify(command)
        case .seek: seek()
        case .flushCache, .flushCacheExt: flush()
        case .readNativeMaxAddress, .readNativeMaxAddressExt: readNativeMaxAddress(command)
        case .identifyDevice: sendPage { identify($0) }
        case .readBuffer:
            sendPage { $0.copy(from: state.pointee.sectorBuffer) }
        case .writeBuffer: takePage()
        case .smart: smart()
        case .setFeatures: setFeatures()
        case .setMultipleMode: setMultipleMode()
        case .initializeDeviceParameters: initializeDeviceParameters()
        case .recalibrate, .securityFreezeLock: succeed()
        // 8.22: NOP always aborts. The carrier executes diagnostics.
        case .nop, .executeDeviceDiagnostic: abort()
        }
    }

    /// Fills a sector and offers it to the guest.
    func sendPage(_ fill: (SectorPage) -> Void) {
        fill(SectorPage(in: buffer))
        job = DiskJob()
        job.kind = .sendingPage
        open(.toHost, buffer, count: SectorPage.size, interrupt: true)
    }

    /// WRITE BUFFER (8.54).
    private func takePage() {
        job = DiskJob()
        job.kind = .takingPage
        open(.toDrive, buffer, count: ATADisk.sectorSize, interrupt: false)
    }

    /// SEEK (8.44): checks the address and does nothing else.
    private func seek() {
        locate(.none, .seek)
        settings.isStandby = false
        guard isInside(1) else { return fail(ErrorBits.idNotFound) }
        succeed()
    }

    /// READ NATIVE MAX ADDRESS (8.32) and EXT (8.33).
    private func readNativeMaxAddress(_ command: ATACommand) {
        locate(.none, command)
        let last = state.pointee.sectorCount == 0 ? 0 : state.pointee.sectorCount &- 1
        show(sector: job.addressing == .lba28 ? min(last, 0xFFF_FFFF) : last)
        succeed()
    }

    /// SET MULTIPLE MODE (8.49): powers of two, and 0 for off.
    private func setMultipleMode() {
        let count = registers.pointee.taskFile.count.current
        guard count <= DiskSettings.maximumMultiple, count & (count &- 1) == 0 else {
            return abort()
        }
        settings.multiple = count
        succeed()
    }

    /// INITIALIZE DEVICE PARAMETERS (ATA/ATAPI-5 8.16).
    private func initializeDeviceParameters() {
        let sectors = registers.pointee.taskFile.count.current
        guard sectors > 0 else { return abort() }
        settings.sectors = sectors
        settings.heads =
            registers.pointee.taskFile.device & DeviceRegister.head &+ 1
        succeed()
    }
}
