public import BlockIO
import Glibc

extension BlockCompletion {
    /// Whether the request failed because of memory and not because of the image: the memory was
    /// truncated, as memory that another process shares can be (`GuestRAM.surviveTruncation()`). No
    /// error policy applies then, because the request would fail again.
    public var isMemoryFault: Bool { errno == EFAULT }
}
