import GuestMemory

/// A guest's page tables for a ``PageTableIOMMU``, made of pages of its RAM one after the other.
final class ResolverPageTables {
    /// The rights in an entry.
    struct Rights: OptionSet {
        let rawValue: UInt64
        static let read = Rights(rawValue: 1)
        static let write = Rights(rawValue: 2)
        static let all: Rights = [.read, .write]
    }

    /// The first table.
    let root: GuestAddress
    private let space: AddressSpace
    private let levels: Int
    private var nextTable: GuestAddress

    /// Bit 7 of an entry above the last level (VT-d, section 9.8): a page of 2 MiB or 1 GiB.
    private static let pageSize: UInt64 = 0x80

    /// Empty tables from `root` on.
    init(in space: AddressSpace, at root: GuestAddress, levels: Int = 4) {
        self.space = space
        self.root = root
        self.levels = levels
        nextTable = root + 4096
    }

    /// Where the entry of `level` (0 is the last) for an address is; makes the tables above it.
    func entry(for address: GuestAddress, level: Int = 0) throws -> GuestAddress {
        var table = root
        for above in stride(from: levels - 1, to: level, by: -1) {
            let place = Self.place(of: address, in: table, level: above)
            var entry = try space.load(at: place, as: UInt64.self)
            if entry == 0 {
                entry = nextTable.rawValue | Rights.all.rawValue
                nextTable &+= 4096
                try space.store(entry, at: place)
            }
            table = GuestAddress(entry & ~0xfff)
        }
        return Self.place(of: address, in: table, level: level)
    }

    private static func place(
        of address: GuestAddress, in table: GuestAddress, level: Int
    ) -> GuestAddress {
        table + (address.rawValue >> UInt64(12 + 9 * level) & 511) * 8
    }

    /// Makes `address` lead to `target`: a page of 4 KiB, or of 2 MiB (level 1) or 1 GiB (level 2).
    func map(
        _ address: GuestAddress, to target: GuestAddress, _ rights: Rights = .all, level: Int = 0
    ) throws {
        let isLarge = level > 0 ? Self.pageSize : 0
        try space.store(
            target.rawValue | rights.rawValue | isLarge, at: entry(for: address, level: level))
    }

    /// Changes the rights in the entry of `level` for an address.
    func setRights(_ rights: Rights, for address: GuestAddress, level: Int) throws {
        let place = try entry(for: address, level: level)
        let entry = try space.load(at: place, as: UInt64.self)
        try space.store(entry & ~3 | rights.rawValue, at: place)
    }

    /// An IOMMU that walks them.
    func iommu() throws -> PageTableIOMMU {
        try PageTableIOMMU(space: space, root: root, levels: levels)
    }
}
