// Which command does what (ATA/ATAPI-6 clause 8).
extension ATADrive {
    func execute(_ command: UInt8) {
        state.pointee.opcode = command
        state.pointee.parameters = registers.pointee.taskFile
        guard let command = ATACommand(rawValue: command) else { return fail(ErrorBits.aborted) }
        switch command {
        case .readSectors, .readSectorsNoRetry, .readSectorsExt:
            readBlocks(command, of: 1)
        case .readMultiple, .readMultipleExt:
            readBlocks(command, of: Int(state.pointee.settings.multiple))
        case .writeSectors, .writeSectorsNoRetry, .writeSectorsExt:
            writeBlocks(command, of: 1)
        case .writeMultiple, .writeMultipleExt, .writeMultipleFUAExt:
            writeBlocks(command, of: Int(state.pointee.settings.multiple))
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
            sendPage {
                $0.copyMemory(
                    from: UnsafeRawBufferPointer(start: sectorBuffer, count: ATADisk.sectorSize))
            }
        case .writeBuffer: takePage()
        case .smart: smart()
        case .setFeatures: setFeatures()
        case .setMultipleMode: setMultipleMode()
        case .initializeDeviceParameters: initializeDeviceParameters()
        case .checkPowerMode, .checkPowerModeOld: checkPowerMode()
        case .standby, .standbyOld, .standbyImmediate, .standbyImmediateOld:
            state.pointee.settings.isStandby = true
            succeed()
        case .idle, .idleOld, .idleImmediate, .idleImmediateOld:
            state.pointee.settings.isStandby = false
            succeed()
        case .recalibrate, .sleep, .sleepOld, .securityFreezeLock: succeed()
        // 8.22: a host uses it to see a command aborted. The channel does diagnostics.
        case .nop, .executeDeviceDiagnostic: fail(ErrorBits.aborted)
        }
    }

    /// Fills a sector and offers it to the host.
    func sendPage(_ fill: (UnsafeMutableRawBufferPointer) -> Void) {
        let page = UnsafeMutableRawBufferPointer(start: buffer, count: ATADisk.sectorSize)
        page.initializeMemory(as: UInt8.self, repeating: 0)
        fill(page)
        state.pointee.job = DiskJob()
        state.pointee.job.kind = .sendingPage
        open(.toHost, count: page.count)
        channel.raiseInterrupt()
    }

    /// WRITE BUFFER (8.54).
    private func takePage() {
        state.pointee.job = DiskJob()
        state.pointee.job.kind = .takingPage
        open(.toDrive, count: ATADisk.sectorSize)
    }

    /// SEEK (8.44): there is nothing to move, but an address to check.
    private func seek() {
        locate(.none, .seek)
        state.pointee.settings.isStandby = false
        guard isInside(1) else { return fail(ErrorBits.idNotFound) }
        succeed()
    }

    /// READ NATIVE MAX ADDRESS (8.32) and EXT (8.33).
    private func readNativeMaxAddress(_ command: ATACommand) {
        locate(.none, command)
        let last = disk.sectorCount == 0 ? 0 : disk.sectorCount &- 1
        show(sector: state.pointee.job.addressing == .lba28 ? min(last, 0xFFF_FFFF) : last)
        succeed()
    }

    /// SET MULTIPLE MODE (8.49): powers of two, and 0 for off.
    private func setMultipleMode() {
        let count = registers.pointee.taskFile.count.current
        guard count <= DiskSettings.maximumMultiple, count & (count &- 1) == 0 else {
            return fail(ErrorBits.aborted)
        }
        state.pointee.settings.multiple = count
        succeed()
    }

    /// INITIALIZE DEVICE PARAMETERS (ATA/ATAPI-5 8.16).
    private func initializeDeviceParameters() {
        let sectors = registers.pointee.taskFile.count.current
        guard sectors > 0 else { return fail(ErrorBits.aborted) }
        state.pointee.settings.sectors = sectors
        state.pointee.settings.heads =
            registers.pointee.taskFile.device & DeviceRegister.head &+ 1
        succeed()
    }

    /// CHECK POWER MODE (8.7): 00h is Standby, FFh Active or Idle.
    private func checkPowerMode() {
        registers.pointee.taskFile.count.current = state.pointee.settings.isStandby ? 0 : 0xFF
        succeed()
    }
}
