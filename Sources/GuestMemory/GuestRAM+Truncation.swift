import BlockHost
import CGuestMemory
import Glibc

// Memory of others that gets shorter while it is mapped.
extension GuestRAM {
    /// Makes this process outlive what other processes do to memory that they share with it: from now
    /// on, an access to a ``GuestRAM`` whose file has become too short no longer ends the process with
    /// SIGBUS. To be called once, by a program that maps what it does not trust, before it does.
    ///
    /// Copies in an ``AddressSpace``, transfers and mappings fail with
    /// ``GuestMemoryError/Code/system`` and EFAULT, and the kernel answers EFAULT too. Memory counts as
    /// lost from the first page on that was found missing, for as long as the ``GuestRAM`` exists, also
    /// when the file becomes longer again. An access of the emulator's own, through ``base``, finds a
    /// page of zeroes in place of what is missing; transfers that were submitted before it may take
    /// that page for the guest's, and fail.
    ///
    /// It installs a handler of SIGBUS; a SIGBUS that has to do with other memory goes to the handler
    /// that was there before. No thread that touches guest memory may block SIGBUS: the kernel ends the
    /// process when a fault finds its signal blocked.
    ///
    /// A memfd_create(2) file sealed with F_SEAL_SHRINK, such as ``Sharing/descriptor`` makes, needs
    /// none of it. The library does not seal files of others, which may want to change their size.
    public static func surviveTruncation() throws(GuestMemoryError) {
        do throws(SystemCallError) {
            try MemoryWatch.catchTruncation()
        } catch {
            throw GuestMemoryError(.system, errno: error.errno)
        }
    }

    /// fcntl(2), F_GET_SEALS: only files that can be sealed have an answer.
    static func canShrink(_ descriptor: CInt) -> Bool {
        let seals = fcntl(descriptor, CGUESTMEMORY_F_GET_SEALS)
        return seals < 0 || seals & CGUESTMEMORY_F_SEAL_SHRINK == 0
    }
}
