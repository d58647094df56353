/// A step between a device and memory: an IOMMU, a DMA controller, or a bus with its own addresses.
///
/// Resolvers stack, from the device to memory: the address that one returns is what the next is asked
/// for. A resolver that only changes addresses keeps transfers free of copies. A resolver that changes
/// the data works on bounce buffers.
public protocol AddressResolver: AnyObject, Sendable {
    /// Translates `address`. Returns the address for the next step and for how many bytes (1 to
    /// `length`) the answer holds; the resolver is asked again for the rest. An error that it throws
    /// ends the transfer.
    func resolve(
        _ address: GuestAddress, length: UInt64, direction: DMADirection
    ) throws(GuestMemoryError) -> ResolvedRange

    /// Changes bytes in place: from the form in memory to that of the device for `toDevice`, back for
    /// `fromDevice`. Called for the ranges that `resolve` has marked as transformed. `bytes` begins at a
    /// multiple of 8 bytes of the transfer, and its length is a multiple of 8 unless it ends where an
    /// answer of `resolve` ends.
    func transform(_ bytes: UnsafeMutableRawBufferPointer, direction: DMADirection)

    /// Holds the present translations for a transfer that is about to call `resolve`: its answers stay
    /// valid until ``releaseTranslations(_:)`` is called with the returned token, when the transfer has
    /// ended.
    func holdTranslations() -> Int

    /// Releases the translations of a transfer that has ended. `token` is what
    /// ``holdTranslations()`` returned for it.
    func releaseTranslations(_ token: Int)
}

extension AddressResolver {
    /// Changes nothing.
    public func transform(_ bytes: UnsafeMutableRawBufferPointer, direction: DMADirection) {}

    /// For resolvers whose translations never change: holds nothing, and returns 0.
    public func holdTranslations() -> Int { 0 }

    /// For resolvers whose translations never change: does nothing.
    public func releaseTranslations(_ token: Int) {}
}
