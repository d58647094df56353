import BlockHost
import Glibc
import GuestMemory

/// The memory of the front end, in an address space: regions by guest address.
final class FrontEndMemory {
    let space: AddressSpace
    private let news: Event
    private var regions: [FrontEndRegion] = []
    /// Whether written pages are logged.
    private var isLogging = false

    /// `news` is signaled when memory that was taken away is used no more.
    init(_ space: AddressSpace, news: Event) {
        self.space = space
        self.news = news
    }

    // MARK: Addresses

    /// Where descriptors see the `count` bytes that the front end has at the user address `address`; `nil`
    /// unless one region has all of them.
    func guestAddress(ofUser address: UInt64, count: Int) -> GuestAddress? {
        for region in regions {
            if let found = region.description.guestAddress(ofUser: address, count: count) {
                return found
            }
        }
        return nil
    }

    // MARK: Changes

    /// Adds a region.
    func addition(
        of description: RegionDescription, _ descriptor: CInt
    ) throws(Refusal) -> MemoryChange {
        guard regions.count < VhostUser.Limit.memorySlots else { throw Refusal(ENOSPC) }
        guard !regions.contains(where: { $0.description.overlaps(description) }) else {
            throw Refusal(EEXIST)
        }
        return MemoryChange(
            kept: regions, removed: [], added: [try Self.addition(of: description, descriptor)])
    }

    /// Takes a region away: the one at the same guest address and user address, and of the same size. The
    /// offset in the file does not count; libblkio and QEMU differ there.
    func removal(of description: RegionDescription) throws(Refusal) -> MemoryChange {
        let index = regions.firstIndex {
            $0.description.guestAddress == description.guestAddress
                && $0.description.userAddress == description.userAddress
                && $0.description.byteCount == description.byteCount
        }
        guard let index else { throw Refusal(ENOENT) }
        var kept = regions
        let removed = kept.remove(at: index)
        return MemoryChange(kept: kept, removed: [removed], added: [])
    }

    /// Takes all regions away.
    var removalOfAll: MemoryChange { MemoryChange(kept: [], removed: regions, added: []) }

    /// Makes the regions of a table the only ones. Regions that were there before stay as they are, so that
    /// rings can go on while memory is added elsewhere.
    func replacement(
        by table: [(description: RegionDescription, descriptor: CInt)]
    ) throws(Refusal) -> MemoryChange {
        for (index, entry) in table.enumerated() {
            guard !table[..<index].contains(where: { $0.description.overlaps(entry.description) })
            else { throw Refusal(EINVAL) }
        }
        var kept: [FrontEndRegion] = []
        var added: [MemoryChange.Addition] = []
        for entry in table {
            let file = try FileIdentity(entry.descriptor)
            let same = regions.first { $0.description == entry.description && $0.file == file }
            if let same {
                kept.append(same)
            } else {
                added.append(try Self.addition(of: entry.description, entry.descriptor))
            }
        }
        let removed = regions.filter { region in
            !kept.contains { $0.mapped === region.mapped }
        }
        return MemoryChange(kept: kept, removed: removed, added: added)
    }

    /// Makes a change at once, so that no transfer sees a part of it. No other change may have been made since it
    /// was checked.
    func make(_ change: MemoryChange) throws(Refusal) -> MemoryRelease {
        let release = MemoryRelease(change.removed, news)
        // A transfer may write to a region as soon as it is there.
        if isLogging { for addition in change.added { addition.region.setLogging(true) } }
        let space = space
        let mapped = try refusing { () throws(GuestMemoryError) in
            try space.update { (changes) throws(GuestMemoryError) in
                for region in change.removed {
                    changes.unmap(region.mapped) { release.oneDone() }
                }
                var mapped: [MappedRegion] = []
                for addition in change.added {
                    mapped.append(
                        try changes.map(addition.region, at: addition.description.guestAddress))
                }
                return mapped
            }
        }
        regions =
            change.kept
            + zip(change.added, mapped).map { addition, mapped in
                FrontEndRegion(
                    description: addition.description, mapped: mapped, file: addition.file)
            }
        return release
    }

    // MARK: Written pages

    /// Begins or ends to log written pages, of regions to come too.
    func setLogging(_ isOn: Bool) {
        isLogging = isOn
        for region in regions { region.setLogging(isOn) }
    }

    /// Calls `body` with the first and the last address of each run of pages that were written since the last
    /// call.
    func takeWritten(_ body: (GuestAddress, GuestAddress) -> Void) {
        for region in regions { region.takeWritten(body) }
    }

    /// The memory behind a description: whole pages are mapped, and the region is the part that was
    /// described.
    private static func addition(
        of description: RegionDescription, _ descriptor: CInt
    ) throws(Refusal) -> MemoryChange.Addition {
        let file = try FileIdentity(descriptor)
        let page = UInt64(GuestRAM.pageSize)
        let before = description.fileOffset & (page - 1)
        let (end, overflow) = before.addingReportingOverflow(description.byteCount)
        guard !overflow, end <= UInt64(Int.max) - page,
            let size = Int(exactly: (end + page - 1) & ~(page - 1)),
            let offset = Int(exactly: description.fileOffset - before)
        else { throw Refusal(EINVAL) }
        let ram = try refusing { () throws(GuestMemoryError) in
            try GuestRAM(descriptor: descriptor, offset: offset, size: size)
        }
        return MemoryChange.Addition(
            description: description,
            region: .ram(ram, offset: Int(before), size: Int(description.byteCount)), file: file)
    }
}

/// Turns an error of the memory into a refusal.
private func refusing<Result>(
    _ body: () throws(GuestMemoryError) -> Result
) throws(Refusal) -> Result {
    do throws(GuestMemoryError) {
        return try body()
    } catch {
        switch error.code {
        case .system: throw Refusal(error.errno)
        case .tooManyMaps: throw Refusal(EBUSY)
        default: throw Refusal(EINVAL)
        }
    }
}
