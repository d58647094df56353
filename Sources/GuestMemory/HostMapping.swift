import CGuestMemory
import Glibc

// @safe: it only names the memory. Whoever follows its pointers, or unmaps it, says so.
/// Memory mapped for a ``GuestRAM``, between inaccessible pages.
///
/// The pages of the host, and of a file of huge pages (hugetlbfs), may be larger than those of the
/// guest: what is mapped are the whole pages that the memory lies in.
@safe struct HostMapping {
    /// The first byte of the memory.
    let base: UnsafeMutableRawPointer
    /// The pages that the memory lies in.
    let pages: UnsafeMutableRawBufferPointer
    /// Those and the inaccessible ones.
    private let reservation: UnsafeMutableRawBufferPointer

    /// Maps `size` bytes from `offset` on, as mmap(2) does, in pages of `pageSize` bytes.
    init(
        size: Int, flags: CInt, descriptor: CInt = -1, offset: Int = 0, isWritable: Bool = true,
        pageSize: Int = Self.hostPageSize
    ) throws(GuestMemoryError) {
        let before = offset & (pageSize - 1)
        guard size <= Int.max - 4 * pageSize else { throw GuestMemoryError(.invalidSize) }
        let length = (before + size + pageSize - 1) & ~(pageSize - 1)
        // With room for an inaccessible page of the host on either side, and for the alignment.
        let whole = length + 2 * pageSize
        let start = unsafe mmap(
            nil, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        guard let start = unsafe start, unsafe start != MAP_FAILED else {
            throw GuestMemoryError(.system, errno: errno)
        }
        let first = UInt(bitPattern: start) + UInt(Self.hostPageSize)
        let aligned = (first + UInt(pageSize - 1)) & ~UInt(pageSize - 1)
        let place = unsafe start + Int(aligned - UInt(bitPattern: start))
        let mapped = unsafe mmap(
            place, length, isWritable ? PROT_READ | PROT_WRITE : PROT_READ, flags | MAP_FIXED,
            descriptor, offset - before)
        guard let mapped = unsafe mapped, unsafe mapped != MAP_FAILED else {
            let reason = errno
            unsafe munmap(start, whole)
            throw GuestMemoryError(.system, errno: reason)
        }
        unsafe base = unsafe mapped + before
        unsafe pages = unsafe UnsafeMutableRawBufferPointer(start: mapped, count: length)
        unsafe reservation = unsafe UnsafeMutableRawBufferPointer(start: start, count: whole)
    }

    /// Unmaps all of it.
    func unmap() { unsafe munmap(reservation.baseAddress, reservation.count) }

    /// The pages of memory that has no file, and of most files.
    static let hostPageSize = sysconf(CInt(_SC_PAGESIZE))

    /// The size of a file's pages when they are huge pages; `nil` for any other file.
    static func hugePageSize(of descriptor: CInt) throws(GuestMemoryError) -> Int? {
        let size = cguestmemory_huge_page_size(descriptor)
        guard size >= 0 else { throw GuestMemoryError(.system, errno: CInt(-size)) }
        return size > 0 ? size : nil
    }
}
