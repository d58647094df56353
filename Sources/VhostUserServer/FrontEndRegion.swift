import GuestMemory

/// A region of the front end's memory that is, or was, in the address space.
struct FrontEndRegion {
    let description: RegionDescription
    let mapped: MappedRegion
    /// The file behind it.
    let file: FileIdentity

    /// Begins or ends to log written pages. To begin or to end twice is harmless.
    func setLogging(_ isOn: Bool) { mapped.region.setLogging(isOn) }

    /// Calls `body` with the first and the last address of each run of pages that were written since the last
    /// call.
    func takeWritten(_ body: (GuestAddress, GuestAddress) -> Void) {
        guard let memory = mapped.region.memory else { return }
        let (base, last) = (description.guestAddress, description.lastGuestAddress)
        let offset = UInt64(mapped.region.memoryOffset)
        memory.dirtyLog.take(.migration) { pages in
            // Pages of the memory, of which the region may begin and end within one.
            let start = UInt64(pages.lowerBound) << 12
            let end = UInt64(pages.upperBound) << 12
            let first = start > offset ? base &+ (start - offset) : base
            body(first, min(last, base &+ (end - offset - 1)))
        }
    }
}

extension MemoryRegion {
    /// Begins or ends to log written pages for a migration.
    func setLogging(_ isOn: Bool) {
        guard let log = memory?.dirtyLog else { return }
        if isOn { log.start(.migration) } else { log.stop(.migration) }
    }
}
