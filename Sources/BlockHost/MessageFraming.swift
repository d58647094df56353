/// How a protocol divides a stream into messages: a header of a fixed size that contains the length
/// of the message as a little-endian 32-bit integer, and a body.
package struct MessageFraming: Sendable {
    /// In bytes, at least `sizeOffset` + 4.
    package let headerSize: Int
    /// Where in the header the length of the message is.
    package let sizeOffset: Int
    /// Whether that length includes the header.
    package let includesHeader: Bool
    /// The longest body, in bytes.
    package let maximumBodySize: Int
    /// How many descriptors a message keeps; more are counted and closed.
    package let maximumDescriptors: Int

    package init(
        headerSize: Int, sizeOffset: Int, includesHeader: Bool, maximumBodySize: Int,
        maximumDescriptors: Int
    ) {
        precondition(headerSize >= sizeOffset + 4, "the length is not in the header")
        self.headerSize = headerSize
        self.sizeOffset = sizeOffset
        self.includesHeader = includesHeader
        self.maximumBodySize = maximumBodySize
        self.maximumDescriptors = maximumDescriptors
    }
}
