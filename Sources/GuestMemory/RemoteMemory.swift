/// Guest memory that another process keeps: it hands out the bytes, and takes them, on request, and it
/// answers later.
///
/// Transfers reach it through a bounce buffer, and wait (``DMAStep/wait``) until all requests have
/// completed. An access that cannot wait, such as ``AddressSpace/read(at:into:)``, is refused with
/// ``GuestMemoryError/Code/remote``.
public protocol RemoteMemory: AnyObject, Sendable {
    /// The largest request, in bytes: 1 or more.
    var maximumTransfer: Int { get }
    /// Requests the bytes that begin at byte `offset` of the memory. `buffer` stays valid until the
    /// request completes. Each request completes exactly once, before this function returns or later,
    /// on any thread (``RemoteAnswer/requestCompleted(isSuccess:)``).
    func read(offset: UInt64, into buffer: UnsafeMutableRawBufferPointer, _ answer: RemoteAnswer)
    /// Requests that `buffer` is written to the memory, from byte `offset` on. The rules are those of
    /// ``read(offset:into:_:)``.
    func write(offset: UInt64, from buffer: UnsafeRawBufferPointer, _ answer: RemoteAnswer)
}
