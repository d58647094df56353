import BlockHost
import CGuestMemory
import Glibc

// @safe: its memory stays as long as it, by its own mapping or by the promise of whoever lends the
// memory; whoever follows `base` says so.
/// A block of host memory that guests use as RAM or ROM, with a log of the pages written.
///
/// The guest, other processes and the kernel may change it at any time. Therefore nothing in this
/// library makes a Swift reference, `Span` or typed pointer to it: bytes are copied once, and the
/// copy is examined.
///
/// An inaccessible page lies before and behind its pages, so that an access outside of it ends the
/// program and does not reach other memory. It is unmapped when nothing refers to it any more; maps
/// of address spaces refer to it, and transfers refer to maps. Neither is true of memory that is
/// borrowed (``init(borrowing:released:)``).
///
/// `@unchecked`: this object never changes, and its bytes are only accessed through raw pointers.
@safe public final class GuestRAM: @unchecked Sendable {
    /// The first byte, at a multiple of ``pageSize``.
    public let base: UnsafeMutableRawPointer
    /// The size in bytes.
    public let size: Int
    /// The log of the pages that were written.
    public let dirtyLog: DirtyLog
    /// The file behind it, for sharing it with another process; -1 when it is private, or was made
    /// from a descriptor of the caller's.
    public let descriptor: CInt

    /// What is known of it if others can take it away: the file behind it is not a memfd_create(2)
    /// file whose size is sealed, or has huge pages.
    let watch: MemoryWatch?

    /// Whether another process can map the same memory.
    public enum Sharing: Sendable {
        /// No: anonymous memory, with huge pages where the kernel has some.
        case `private`
        /// Yes, through ``GuestRAM/descriptor``: a memfd_create(2) file whose size is sealed, so
        /// that nobody who has the descriptor can take the memory away.
        case descriptor
    }

    /// What it is mapped by; `nil` for memory that is borrowed.
    private let mapping: HostMapping?
    /// Gives back memory that is borrowed.
    private let released: (@Sendable () -> Void)?

    /// The page size of the dirty log, whatever the host's is, and of what sizes must be multiples
    /// of.
    public static let pageSize = 4096

    /// New memory, all zeroes. `size` is in bytes, a multiple of 4096.
    public convenience init(size: Int, sharing: Sharing = .private) throws(GuestMemoryError) {
        try Self.validate(size: size, offset: 0)
        switch sharing {
        case .private:
            let mapping = try HostMapping(
                size: size, flags: MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)
            unsafe madvise(mapping.base, size, CInt(MADV_HUGEPAGE))
            try self.init(mapping, size: size, descriptor: -1)
        case .descriptor:
            let descriptor = unsafe cguestmemory_memfd("guest-ram")
            guard descriptor >= 0 else { throw GuestMemoryError(.system, errno: -descriptor) }
            do throws(GuestMemoryError) {
                guard ftruncate(descriptor, size) == 0 else {
                    throw GuestMemoryError(.system, errno: errno)
                }
                let refusal = cguestmemory_seal(descriptor)
                guard refusal == 0 else { throw GuestMemoryError(.system, errno: -refusal) }
                let mapping = try HostMapping(
                    size: size, flags: MAP_SHARED, descriptor: descriptor)
                try self.init(mapping, size: size, descriptor: descriptor)
            } catch {
                Glibc.close(descriptor)
                throw error
            }
        }
    }

    /// `size` bytes of the file behind `descriptor` from `offset` on, mapped MAP_SHARED; both
    /// multiples of 4096. The file must reach into the last page of them, and must not be made shorter while
    /// this lives: touching what is gone is SIGBUS, see ``surviveTruncation()``. `descriptor` stays the
    /// caller's, who may close it. Memory that is not to be written (`isWritable`) needs a
    /// descriptor for reading only; it is for regions that are ROM.
    ///
    /// A file of huge pages (hugetlbfs, or memfd_create(2) with MFD_HUGETLB) may be mapped in parts
    /// of its pages too, and must be as long as the pages that the part lies in.
    public convenience init(
        descriptor: CInt, offset: Int = 0, size: Int, isWritable: Bool = true
    ) throws(GuestMemoryError) {
        try Self.validate(size: size, offset: offset)
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else {
            throw GuestMemoryError(.system, errno: errno)
        }
        let hugePageSize = try HostMapping.hugePageSize(of: descriptor)
        let (end, overflow) = offset.addingReportingOverflow(size)
        // A huge page that the file ends in cannot be touched at all; of another page, the kernel maps the
        // rest too.
        let length =
            hugePageSize.map { Int(status.st_size) & ~($0 - 1) }
            ?? (Int(status.st_size) &+ (Self.pageSize - 1)) & ~(Self.pageSize - 1)
        guard !overflow, end <= length else { throw GuestMemoryError(.invalidRegion) }
        let mapping = try HostMapping(
            size: size, flags: MAP_SHARED, descriptor: descriptor, offset: offset,
            isWritable: isWritable, pageSize: hugePageSize ?? HostMapping.hostPageSize)
        // Huge pages can be taken out of a file that is sealed, and there may be no others.
        var watch: MemoryWatch?
        if hugePageSize != nil || Self.canShrink(descriptor) {
            watch = unsafe MemoryWatch(mapping.pages)
            if watch == nil {
                mapping.unmap()
                throw GuestMemoryError(.system, errno: ENOSPC)
            }
        }
        try self.init(mapping, size: size, descriptor: -1, watch: watch)
    }

    /// Memory that the caller has allocated and keeps: it is neither unmapped nor freed. Its
    /// address and its size must be multiples of 4096. It has no inaccessible pages around it.
    ///
    /// It must stay mapped until `released` is called: once, when nothing refers to this object any
    /// more, on the thread that gives up the last reference. When this initializer throws, nothing
    /// is borrowed. Memory that cannot be written is for regions that are ROM. When the memory is a
    /// file's, the caller makes sure that the file does not become shorter:
    /// ``surviveTruncation()`` has no effect on it.
    ///
    /// The dirty log belongs to this object: it does not show what is written through another
    /// ``GuestRAM`` over the same memory.
    public convenience init(
        borrowing memory: UnsafeMutableRawBufferPointer,
        released: (@Sendable () -> Void)? = nil
    ) throws(GuestMemoryError) {
        try Self.validate(size: memory.count, offset: 0)
        guard let base = memory.baseAddress, UInt(bitPattern: base) % UInt(Self.pageSize) == 0
        else { throw GuestMemoryError(.invalidSize) }
        unsafe try self.init(
            nil, base: base, size: memory.count, descriptor: -1, released: released)
    }

    private convenience init(
        _ mapping: HostMapping, size: Int, descriptor: CInt, watch: MemoryWatch? = nil
    ) throws(GuestMemoryError) {
        unsafe try self.init(
            mapping, base: mapping.base, size: size, descriptor: descriptor, watch: watch)
    }

    /// Takes over the mapping, which is gone when this throws; the descriptor is then not.
    private init(
        _ mapping: HostMapping?, base: UnsafeMutableRawPointer, size: Int, descriptor: CInt,
        watch: MemoryWatch? = nil, released: (@Sendable () -> Void)? = nil
    ) throws(GuestMemoryError) {
        do throws(GuestMemoryError) {
            dirtyLog = try DirtyLog(pageCount: size / Self.pageSize)
        } catch {
            watch?.stop()
            mapping?.unmap()
            throw error
        }
        self.mapping = mapping
        self.watch = watch
        unsafe self.base = unsafe base
        self.size = size
        self.descriptor = descriptor
        self.released = released
    }

    deinit {
        watch?.stop()
        mapping?.unmap()
        if descriptor >= 0 { Glibc.close(descriptor) }
        released?()
    }

    private static func validate(size: Int, offset: Int) throws(GuestMemoryError) {
        guard size > 0, offset >= 0, (size | offset) & (pageSize - 1) == 0
        else { throw GuestMemoryError(.invalidSize) }
    }
}
