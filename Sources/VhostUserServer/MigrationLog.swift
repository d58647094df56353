import Glibc
import GuestMemory
import Synchronization

/// The log of written pages that the front end shares ("Migration"): a bit for each page of 4096 bytes, by guest
/// address.
///
/// `@safe`, because bits outside of the log are not set, and because the memory is mapped as long as this object
/// exists. Other processes may change it at any time.
@safe final class MigrationLog {
    private let memory: GuestRAM
    private let base: UnsafeMutableRawPointer
    private let byteCount: UInt64

    /// The log in `size` bytes of a file.
    init(descriptor: CInt, offset: UInt64, size: UInt64) throws(Refusal) {
        let page = UInt64(GuestRAM.pageSize)
        let before = offset & (page - 1)
        let (end, overflow) = before.addingReportingOverflow(size)
        guard size > 0, !overflow, end <= UInt64(Int.max) - page,
            let length = Int(exactly: (end + page - 1) & ~(page - 1)),
            let start = Int(exactly: offset - before)
        else { throw Refusal(EINVAL) }
        do throws(GuestMemoryError) {
            memory = try GuestRAM(descriptor: descriptor, offset: start, size: length)
        } catch {
            throw Refusal(error.errno == 0 ? EINVAL : error.errno)
        }
        unsafe base = unsafe memory.base + Int(before)
        byteCount = size
    }

    /// Sets the bits of the pages that the bytes from `first` to `last` are in.
    func mark(_ first: GuestAddress, through last: GuestAddress) {
        var page = first.rawValue >> 12
        while page <= last.rawValue >> 12 {
            guard page >> 3 < byteCount else { return }
            // The front end takes bits at the same time.
            let cell = unsafe (base + Int(page >> 3)).assumingMemoryBound(to: Atomic<UInt8>.self)
            unsafe cell.pointee.bitwiseOr(1 << UInt8(page & 7), ordering: .releasing)
            page += 1
        }
    }
}
