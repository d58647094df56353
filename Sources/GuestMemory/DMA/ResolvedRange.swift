/// An answer of an ``AddressResolver``.
public struct ResolvedRange: Sendable, Hashable {
    /// The address of the first byte for the next step.
    public var address: GuestAddress
    /// How many bytes follow each other there.
    public var length: UInt64
    /// Whether the resolver changes the data.
    public var isTransformed: Bool

    /// An answer for the `length` bytes that begin at `address`.
    public init(address: GuestAddress, length: UInt64, isTransformed: Bool = false) {
        self.address = address
        self.length = length
        self.isTransformed = isTransformed
    }
}
