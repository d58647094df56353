import CGuestMemory
import Glibc

/// A block of host memory that guests use as RAM or ROM, with a log of the pages written.
///
/// The guest, other processes and the kernel change it at any time. So nothing in this library
/// makes a Swift reference, `Span` or typed pointer of it: bytes are copied, once, and the copy is
/// looked at.
///
/// There is an inaccessible page before and behind it: a wild access stops the program instead of
/// reaching the neighbours. It is unmapped when nothing refers to it any more; a map that holds it
/// does, and so does each transfer under way on such a map.
public final class GuestRAM: @unchecked Sendable {
    /// The first byte, at a page boundary of the host.
    public let base: UnsafeMutableRawPointer
    /// The size in bytes.
    public let size: Int
    /// The pages written.
    public let dirtyLog: DirtyLog
    /// The file behind it, for sharing it with another process; -1 when it is private, or was made
    /// from a descriptor of the caller's.
    public let descriptor: CInt

    /// What is known of it if others can take it away: the file behind it is not a memfd_create(2)
    /// file whose size is sealed.
    let watch: MemoryWatch?

    /// Whether another process can map the same memory.
    public enum Sharing: Sendable {
        /// No: anonymous memory, with huge pages where the kernel has some.
        case `private`
        /// Yes, through ``GuestRAM/descriptor``: a memfd_create(2) file whose size is sealed, so that
        /// nobody who has the descriptor can take the memory away.
        case descriptor
    }

    /// The page size of the dirty log and of what sizes must be multiples of.
    public static let pageSize = 4096

    /// New memory, all zeroes. `size` is in bytes, a multiple of 4096.
    public convenience init(size: Int, sharing: Sharing = .private) throws(GuestMemoryError) {
        try Self.validate(size: size, offset: 0)
        switch sharing {
        case .private:
            let base = try Self.map(
                size: size, flags: MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                descriptor: -1, offset: 0)
            madvise(base, size, CInt(MADV_HUGEPAGE))
            try self.init(base: base, size: size, descriptor: -1)
        case .descriptor:
            let descriptor = cguestmemory_memfd("guest-ram")
            guard descriptor >= 0 else { throw GuestMemoryError(.system, errno: -descriptor) }
            do throws(GuestMemoryError) {
                guard ftruncate(descriptor, size) == 0 else {
                    throw GuestMemoryError(.system, errno: errno)
                }
                let refusal = cguestmemory_seal(descriptor)
                guard refusal == 0 else { throw GuestMemoryError(.system, errno: -refusal) }
                let base = try Self.map(
                    size: size, flags: MAP_SHARED, descriptor: descriptor, offset: 0)
                try self.init(base: base, size: size, descriptor: descriptor)
            } catch {
                Glibc.close(descriptor)
                throw error
            }
        }
    }

    /// `size` bytes of the file behind `descriptor` from `offset` on, mapped MAP_SHARED; both
    /// multiples of 4096. The file must be that long, and must not be made shorter while this
    /// lives: touching what is gone is SIGBUS, see ``surviveTruncation()``. `descriptor` stays the
    /// caller's, who may close it. Memory that is not to be written (`isWritable`) needs a descriptor for reading only;
    /// it is for regions that are ROM.
    public convenience init(
        descriptor: CInt, offset: Int = 0, size: Int, isWritable: Bool = true
    ) throws(GuestMemoryError) {
        try Self.validate(size: size, offset: offset)
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw GuestMemoryError(.system, errno: errno)
        }
        let (end, overflow) = offset.addingReportingOverflow(size)
        guard !overflow, end <= Int(status.st_size) else { throw GuestMemoryError(.invalidRegion) }
        let base = try Self.map(
            size: size, flags: MAP_SHARED, descriptor: descriptor, offset: offset,
            isWritable: isWritable)
        var watch: MemoryWatch?
        if Self.canShrink(descriptor) {
            watch = MemoryWatch(base, size)
            if watch == nil {
                Self.unmap(base, size)
                throw GuestMemoryError(.system, errno: ENOSPC)
            }
        }
        try self.init(base: base, size: size, descriptor: -1, watch: watch)
    }

    /// Takes over the mapping, which is gone when this throws; the descriptor is then not.
    private init(
        base: UnsafeMutableRawPointer, size: Int, descriptor: CInt, watch: MemoryWatch? = nil
    ) throws(GuestMemoryError) {
        do throws(GuestMemoryError) {
            dirtyLog = try DirtyLog(pageCount: size / Self.pageSize)
        } catch {
            watch?.end()
            Self.unmap(base, size)
            throw error
        }
        self.watch = watch
        self.base = base
        self.size = size
        self.descriptor = descriptor
    }

    deinit {
        watch?.end()
        Self.unmap(base, size)
        if descriptor >= 0 { Glibc.close(descriptor) }
    }

    private static func validate(size: Int, offset: Int) throws(GuestMemoryError) {
        guard size > 0, size <= Int.max - 2 * pageSize, offset >= 0,
            (size | offset) & (pageSize - 1) == 0
        else { throw GuestMemoryError(.invalidSize) }
    }

    private static func map(
        size: Int, flags: CInt, descriptor: CInt, offset: Int, isWritable: Bool = true
    ) throws(GuestMemoryError) -> UnsafeMutableRawPointer {
        let whole = size + 2 * pageSize
        let guarded = mmap(
            nil, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        guard let guarded, guarded != MAP_FAILED else {
            throw GuestMemoryError(.system, errno: errno)
        }
        let base = mmap(
            guarded + pageSize, size, isWritable ? PROT_READ | PROT_WRITE : PROT_READ,
            flags | MAP_FIXED, descriptor, offset)
        guard let base, base != MAP_FAILED else {
            let reason = errno
            munmap(guarded, whole)
            throw GuestMemoryError(.system, errno: reason)
        }
        return base
    }

    private static func unmap(_ base: UnsafeMutableRawPointer, _ size: Int) {
        munmap(base - pageSize, size + 2 * pageSize)
    }
}
