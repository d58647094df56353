import BlockHost
import CGuestMemory
import Glibc

// Files of other processes that become shorter while they are mapped.
extension GuestRAM {
    /// Protects this process from other processes that make the file of shared memory shorter: from
    /// now on, an access to a ``GuestRAM`` whose file has become too short does not end the process
    /// with SIGBUS. A program that maps files of processes that it does not trust calls it once,
    /// before it maps them.
    ///
    /// Copies in an ``AddressSpace``, transfers and mappings fail with
    /// ``GuestMemoryError/Code/system`` and EFAULT, and the kernel answers EFAULT too. Memory
    /// counts as lost from the first page on that was found missing, for as long as the
    /// ``GuestRAM`` exists, also when the file becomes longer again. An access of the emulator's
    /// own, through ``base``, finds a page of zeroes in place of what is missing; transfers that
    /// were submitted before it may take that page for the guest's, and fail.
    ///
    /// It installs a handler of SIGBUS. A SIGBUS for other memory goes to the handler that was
    /// installed before. No thread that touches guest memory may block SIGBUS: the kernel ends the
    /// process when a fault finds its signal blocked.
    ///
    /// A memfd_create(2) file sealed with F_SEAL_SHRINK, such as ``Sharing/descriptor`` makes,
    /// needs no such protection. The library does not seal files of other processes, because they
    /// may want to change the size.
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
