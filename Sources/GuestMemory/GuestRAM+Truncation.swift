import CGuestMemory
import Glibc

// Memory of others that gets shorter while it is mapped.
extension GuestRAM {
    /// Makes this process outlive what other processes do to memory that they share with it: from now
    /// on, where a file behind a ``GuestRAM`` has become too short, zeroes take the place of what is
    /// gone, page by page, instead of SIGBUS ending the process. To be called once, by a program that
    /// maps what it does not trust, before it does.
    ///
    /// It installs a handler of SIGBUS; a SIGBUS that has to do with other memory goes to the handler
    /// there was. The kernel itself answers EFAULT: transfers to what is gone fail. What is copied
    /// in an ``AddressSpace`` fails too, with ``GuestMemoryError/Code/system`` and EFAULT.
    ///
    /// A memfd_create(2) file sealed with F_SEAL_SHRINK needs none of it.
    public static func surviveTruncation() throws(GuestMemoryError) {
        let result = cguestmemory_catch_truncation()
        guard result == 0 else { throw GuestMemoryError(.system, errno: -result) }
    }

    /// fcntl(2), F_GET_SEALS: only files that can be sealed have an answer.
    static func canShrink(_ descriptor: CInt) -> Bool {
        let seals = fcntl(descriptor, CGUESTMEMORY_F_GET_SEALS)
        return seals < 0 || seals & CGUESTMEMORY_F_SEAL_SHRINK == 0
    }
}
