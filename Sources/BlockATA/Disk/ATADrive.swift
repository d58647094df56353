package import BlockHost
import BlockIO

/// A disk that is connected to a carrier, which uses it as an ``AttachedDrive``. Commands are carried
/// out by ``DiskExecution``.
package struct ATADrive: ~Copyable {
    package let state: StablePointer<State>

    /// Bytes in the drive's buffer: more than the largest data block. READ VERIFY reads as many at
    /// a time.
    package static let bufferSize = 64 << 10

    /// The state of a disk.
    ///
    /// `@safe`, because the drive outlives the calls that use its pointers, and whoever follows one
    /// says so.
    @safe package struct State: ~Copyable {
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
        package let sectorBuffer: DriveBuffer

        fileprivate init(_ disk: ATADisk, _ connection: DriveConnection) {
            core = DriveCore(connection, bufferSize: ATADrive.bufferSize)
            self.disk = disk
            unsafe requests = unsafe .passUnretained(disk.queue)
            sectorCount = disk.sectorCount
            isReadOnly = disk.image.access == .readOnly
            settings = DiskSettings(disk.geometry)
            unsafe commands = .allocate(capacity: connection.tags)
            unsafe commands.initialize(repeating: DiskCommand(), count: connection.tags)
            sectorBuffer = DriveBuffer(count: ATADisk.sectorSize, alignment: 16)
        }

        deinit {
            unsafe core.deallocate()
            unsafe commands.deinitialize(count: core.connection.tags)
            unsafe commands.deallocate()
            unsafe sectorBuffer.deallocate()
        }

        /// Data blocks, what VERIFY reads, and TRIM ranges.
        package var buffer: DriveBuffer { core.buffer }

        /// Whether `sectors` sectors from `sector` on are on the disk.
        package func isInside(_ sector: UInt64, _ sectors: Int) -> Bool {
            ATADrive.isInside(sector, sectors, of: sectorCount)
        }
    }

    /// Whether `sectors` sectors from `sector` on are on a disk of `sectorCount`.
    ///
    /// It is static because calling a method of ``State`` behind a pointer copies the whole state.
    static func isInside(_ sector: UInt64, _ sectors: Int, of sectorCount: UInt64) -> Bool {
        sector < sectorCount && UInt64(sectors) <= sectorCount &- sector
    }

    /// Takes the disk, which nobody else may use until this is released.
    package init(_ disk: ATADisk, _ connection: DriveConnection) {
        disk.isPluggedIn = true
        state = StablePointer(allocating: State(disk, connection))
    }

    deinit {
        // The carrier has waited until the drive is not busy.
        state.pointee.disk.isPluggedIn = false
        unsafe state.destroy()
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
        state.pointee.sectorBuffer.clear(count: ATADisk.sectorSize)
    }

    // MARK: Commands

    /// The drive at work on the command of a tag, which is less than the connection's number of tags.
    func at(_ tag: Int, _ carrier: any ATACarrier) -> DiskExecution {
        // As numbers without a sign: one comparison.
        let tags = UInt(bitPattern: state.pointee.core.connection.tags)
        precondition(UInt(bitPattern: tag) < tags, "a tag that the drive does not have")
        return DiskExecution(state: state, tag: tag, carrier: carrier)
    }

    // A function of its own, so that a poll without completions does not pay for its local
    // variables.
    @inline(never)
    private func answer(_ completion: BlockCompletion, _ carrier: any ATACarrier) {
        // Another's request on the queue has any number as its `userData`.
        precondition(
            completion.userData < UInt(state.pointee.core.connection.tags),
            "the queue of a disk has completed a request that its drive has not made")
        at(Int(bitPattern: completion.userData), carrier).requestCompleted(completion)
    }

    /// Delivers what the queue has completed, and returns how many requests that were.
    func poll(on carrier: any ATACarrier) -> Int {
        unsafe state.pointee.requests._withUnsafeGuaranteedRef { requests in
            requests.poll { completion in
                answer(completion, carrier)
            }
        }
    }
}
