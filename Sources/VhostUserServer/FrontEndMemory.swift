import BlockHost
import Glibc
import GuestMemory

/// The memory of the front end, in an address space: regions by guest address.
final class FrontEndMemory {
    private struct Region {
        let description: RegionDescription
        let mapped: MappedRegion
        /// The file behind it.
        let file: FileIdentity
    }

    /// Tells files apart, however many descriptors there are of each.
    private struct FileIdentity: Equatable {
        let device: dev_t
        let inode: ino_t

        init(_ descriptor: CInt) throws(Refusal) {
            var status = stat()
            guard unsafe fstat(descriptor, &status) == 0 else { throw Refusal(errno) }
            device = status.st_dev
            inode = status.st_ino
        }
    }

    let space: AddressSpace
    private let news: Event
    private var regions: [Region] = []
    /// Whether written pages are logged, of regions to come too.
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

    // MARK: Regions

    /// Adds a region.
    func add(_ description: RegionDescription, _ descriptor: CInt) throws(Refusal) {
        guard regions.count < VhostUser.Limit.memorySlots else { throw Refusal(ENOSPC) }
        guard !regions.contains(where: { $0.description.overlaps(description) }) else {
            throw Refusal(EEXIST)
        }
        let file = try FileIdentity(descriptor)
        let region = try Self.region(description, descriptor)
        let mapped = try refusing { () throws(GuestMemoryError) in
            try space.map(region, at: description.guestAddress)
        }
        regions.append(Region(description: description, mapped: mapped, file: file))
        logNewRegions()
    }

    /// Takes a region away: the one at the same guest address and user address, and of the same size. The
    /// offset in the file does not count; libblkio and QEMU differ there.
    func remove(_ description: RegionDescription) throws(Refusal) -> MemoryRelease {
        let index = regions.firstIndex {
            $0.description.guestAddress == description.guestAddress
                && $0.description.userAddress == description.userAddress
                && $0.description.byteCount == description.byteCount
        }
        guard let index else { throw Refusal(ENOENT) }
        let release = try exchange([regions[index]], for: [])
        regions.remove(at: index)
        return release
    }

    /// Takes all regions away.
    func removeAll() throws(Refusal) -> MemoryRelease {
        let release = try exchange(regions, for: [])
        regions.removeAll()
        return release
    }

    /// Makes the regions of a table the only ones. Regions that were there before stay as they are, so that
    /// rings can go on while memory is added elsewhere.
    func replaceAll(
        by table: [(description: RegionDescription, descriptor: CInt)]
    ) throws(Refusal) -> MemoryRelease {
        for (index, entry) in table.enumerated() {
            guard !table[..<index].contains(where: { $0.description.overlaps(entry.description) })
            else { throw Refusal(EINVAL) }
        }
        var kept: [Region] = []
        var added: [(RegionDescription, MemoryRegion, FileIdentity)] = []
        for entry in table {
            let file = try FileIdentity(entry.descriptor)
            let same = regions.first { $0.description == entry.description && $0.file == file }
            if let same {
                kept.append(same)
            } else {
                let region = try Self.region(entry.description, entry.descriptor)
                added.append((entry.description, region, file))
            }
        }
        let removed = regions.filter { region in
            !kept.contains { $0.mapped === region.mapped }
        }
        var mapped: [MappedRegion] = []
        let release = try exchange(
            removed, for: added.map { ($0.1, $0.0.guestAddress) }, mapped: &mapped)
        regions =
            kept
            + zip(added, mapped).map { entry, mapped in
                Region(description: entry.0, mapped: mapped, file: entry.2)
            }
        logNewRegions()
        return release
    }

    // MARK: Written pages

    /// Begins or ends to log written pages. To begin or to end twice is harmless.
    func setLogging(_ isOn: Bool) {
        isLogging = isOn
        for region in regions {
            guard let log = region.mapped.region.memory?.dirtyLog else { continue }
            if isOn { log.start(.migration) } else { log.stop(.migration) }
        }
    }

    private func logNewRegions() {
        if isLogging { setLogging(true) }
    }

    /// Calls `body` with the first and the last address of each run of pages that were written since the last
    /// call.
    func takeWritten(_ body: (GuestAddress, GuestAddress) -> Void) {
        for region in regions {
            guard let memory = region.mapped.region.memory else { continue }
            let (base, last) = (
                region.description.guestAddress, region.description.lastGuestAddress
            )
            let offset = UInt64(region.mapped.region.memoryOffset)
            memory.dirtyLog.take(.migration) { pages in
                // Pages of the memory, of which the region may begin and end within one.
                let start = UInt64(pages.lowerBound) << 12
                let end = UInt64(pages.upperBound) << 12
                let first = start > offset ? base &+ (start - offset) : base
                body(first, min(last, base &+ (end - offset - 1)))
            }
        }
    }

    private func exchange(
        _ removed: [Region], for added: [(MemoryRegion, GuestAddress)]
    ) throws(Refusal) -> MemoryRelease {
        var mapped: [MappedRegion] = []
        return try exchange(removed, for: added, mapped: &mapped)
    }

    /// Changes the map once, so that no transfer sees a part of the change.
    private func exchange(
        _ removed: [Region], for added: [(MemoryRegion, GuestAddress)],
        mapped: inout [MappedRegion]
    ) throws(Refusal) -> MemoryRelease {
        let release = MemoryRelease(removed.count, news)
        let space = space
        mapped = try refusing { () throws(GuestMemoryError) in
            try space.update { (changes) throws(GuestMemoryError) in
                for region in removed { changes.unmap(region.mapped) { release.oneDone() } }
                var mapped: [MappedRegion] = []
                for (region, address) in added {
                    mapped.append(try changes.map(region, at: address))
                }
                return mapped
            }
        }
        return release
    }

    /// The memory behind a description: whole pages are mapped, and the region is the part that was
    /// described.
    private static func region(
        _ description: RegionDescription, _ descriptor: CInt
    ) throws(Refusal) -> MemoryRegion {
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
        return .ram(ram, offset: Int(before), size: Int(description.byteCount))
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
