/// A step between a device and memory: an IOMMU, a DMA controller, a bus with its own addresses.
///
/// Steps stack, from the device to memory; the answer of one is what the next is asked. A step that
/// only rewrites addresses keeps transfers free of copies; one that changes the data works on
/// bounce buffers.
public protocol AddressResolver: AnyObject, Sendable {
    /// Says where `address` leads and how many bytes from there on (1 to `length`) belong
    /// together; the rest is asked for again. Throws what stops the transfer.
    func resolve(
        _ address: GuestAddress, length: UInt64, direction: DMADirection
    ) throws(GuestMemoryError) -> ResolvedRange

    /// Changes bytes on their way: in place, from the form in memory to that of the device for
    /// `toDevice`, back for `fromDevice`. Called for what `resolve` has said to be transformed, in
    /// stretches that begin at a multiple of 8 bytes of the transfer and are as long as that, or
    /// end where an answer of `resolve` does.
    func transform(_ bytes: UnsafeMutableRawBufferPointer, direction: DMADirection)

    /// A transfer begins to use answers of `resolve`; what is returned comes back when it has
    /// ended.
    func beginTransfer() -> Int

    /// A transfer has ended: it uses no answers any more.
    func endTransfer(_ token: Int)
}

extension AddressResolver {
    /// Changes nothing.
    public func transform(_ bytes: UnsafeMutableRawBufferPointer, direction: DMADirection) {}

    /// Keeps no account of transfers.
    public func beginTransfer() -> Int { 0 }

    /// Keeps no account of transfers.
    public func endTransfer(_ token: Int) {}
}

/// An answer of an ``AddressResolver``.
public struct ResolvedRange: Sendable, Hashable {
    /// Where the first byte is for the next step.
    public var address: GuestAddress
    /// How many bytes follow each other from there on.
    public var length: UInt64
    /// Whether the data is changed on the way.
    public var isTransformed: Bool

    /// An answer of `length` bytes from `address` on.
    public init(address: GuestAddress, length: UInt64, isTransformed: Bool = false) {
        self.address = address
        self.length = length
        self.isTransformed = isTransformed
    }
}
