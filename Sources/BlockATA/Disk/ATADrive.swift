import BlockIO

/// A disk that is connected to a carrier, which uses it as an ``AttachedDrive``. Commands are carried
/// out by ``DiskExecution``.
package struct ATADrive: ~Copyable {
    package let state: UnsafeMutablePointer<State>

    /// Bytes in the drive's buffer: more than the largest data block, and a good step for VERIFY.
    package static let bufferSize = 64 << 10

    package struct State: ~Copyable {
        let core: DriveCore
        package let disk: ATADisk
        /// The queue of the disk, which the disk keeps: it can be used without counting references.
        let requests: Unmanaged<BlockQueue>
        package let sectorCount: UInt64
        /// The image is open read-only.
        let isReadOnly: Bool
        package var settings: DiskSettings
        /// One element for each tag.
        package let commands: UnsafeMutablePointer<DiskCommand>
        package var errorLog = SMARTErrorLog()
        package var selfTests = SMARTSelfTestLog()
        /// What WRITE BUFFER and READ BUFFER share (ATA/ATAPI-6 8.24).
        package let sectorBuffer: UnsafeMutableRawPointer

        fileprivate init(_ disk: ATADisk, _ connection: DriveConnection) {
            core = DriveCore(connection, bufferSize: ATADrive.bufferSize)
            self.disk = disk
            requests = .passUnretained(disk.queue)
            sectorCount = disk.sectorCount
            isReadOnly = disk.image.access == .readOnly
            settings = DiskSettings(disk.geometry)
            commands = .allocate(capacity: connection.tags)
            commands.initialize(repeating: DiskCommand(), count: connection.tags)
            sectorBuffer = .allocate(byteCount: ATADisk.sectorSize, alignment: 16)
            sectorBuffer.initializeMemory(as: UInt8.self, repeating: 0, count: ATADisk.sectorSize)
        }

        deinit {
            core.deallocate()
            commands.deinitialize(count: core.connection.tags)
            commands.deallocate()
            sectorBuffer.deallocate()
        }

        /// Data blocks, what VERIFY reads, and TRIM ranges.
        package var buffer: UnsafeMutableRawPointer { core.buffer }

        /// Whether `sectors` sectors from `sector` on are on the disk.
        package func isInside(_ sector: UInt64, _ sectors: Int) -> Bool {
            ATADrive.isInside(sector, sectors, of: sectorCount)
        }
    }

    /// Whether `sectors` sectors from `sector` on are on a disk of `sectorCount`.
    ///
    /// A method of ``State`` behind a pointer copies all of it, and that costs more than the command.
    static func isInside(_ sector: UInt64, _ sectors: Int, of sectorCount: UInt64) -> Bool {
        sector < sectorCount && UInt64(sectors) <= sectorCount &- sector
    }

    /// Takes a disk that nobody else uses from now on, until this is released.
    package init(_ disk: ATADisk, _ connection: DriveConnection) {
        disk.isPluggedIn = true
        state = .allocate(capacity: 1)
        state.initialize(to: State(disk, connection))
    }

    deinit {
        // The carrier has seen to it that the host does nothing any more.
        state.pointee.disk.isPluggedIn = false
        state.deinitialize(count: 1)
        state.deallocate()
    }

    // MARK: Resets

    func softwareReset() {
        guard state.pointee.settings.revertsOnReset else { return }
        let old = state.pointee.settings
        var new = DiskSettings(state.pointee.disk.geometry)
        new.revertsOnReset = true
        new.isStandby = old.isStandby
        new.isSMARTOn = old.isSMARTOn
        new.isAutosaveOn = old.isAutosaveOn
        state.pointee.settings = new
    }

    func powerOnReset() {
        state.pointee.settings = DiskSettings(state.pointee.disk.geometry)
        state.pointee.sectorBuffer.initializeMemory(
            as: UInt8.self, repeating: 0, count: ATADisk.sectorSize)
    }

    // MARK: Commands

    /// The drive at work on the command of a tag.
    func at(_ tag: Int, _ carrier: any ATACarrier) -> DiskExecution {
        DiskExecution(state: state, tag: tag, carrier: carrier)
    }

    // Apart, so that its local variables cost a poll without completions nothing.
    @inline(never)
    private func answer(_ completion: BlockCompletion, _ carrier: any ATACarrier) {
        at(Int(bitPattern: completion.userData), carrier).requestEnded(completion)
    }

    /// Delivers what the queue has completed, and returns how many requests that were.
    func poll(on carrier: any ATACarrier) -> Int {
        state.pointee.requests._withUnsafeGuaranteedRef { requests in
            requests.poll { completion in
                answer(completion, carrier)
            }
        }
    }
}

/// A command that a host has given to a disk, and how far it is.
package struct DiskCommand {
    package var job = DiskJob()
    /// The code of the command, and the registers that came with it.
    package var opcode: UInt8 = 0
    package var parameters = TaskFile()

    package init() {}
}
