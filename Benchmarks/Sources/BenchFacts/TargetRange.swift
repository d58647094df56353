/// The part of a file or device on which a benchmark works.
package struct TargetRange: Equatable, Sendable {
    /// Its first byte.
    package let offset: UInt64
    /// Its bytes.
    package let length: UInt64

    /// Why a target does not have the part, for people.
    package struct Refusal: Error, Equatable, CustomStringConvertible {
        package let description: String
    }

    /// The part of a target of `size` bytes that begins at `offset`. Without a `length` the part ends with
    /// the target. `alignment`, a power of two, is what direct I/O demands of positions.
    package init(
        offset: UInt64, length: UInt64?, size: UInt64, alignment: Int
    ) throws(Refusal) {
        guard offset & UInt64(alignment - 1) == 0 else {
            throw Refusal(
                description: "--offset \(offset) is not a multiple of the alignment, \(alignment)")
        }
        guard offset < size || offset == 0 else {
            throw Refusal(
                description: "--offset \(offset) is not within the \(size) bytes of the target")
        }
        guard let length else {
            self.init(offset: offset, length: size - offset)
            return
        }
        guard length <= size - offset else {
            throw Refusal(
                description: "--range \(length) from byte \(offset) goes beyond the \(size) bytes "
                    + "of the target")
        }
        self.init(offset: offset, length: length)
    }

    private init(offset: UInt64, length: UInt64) {
        self.offset = offset
        self.length = length
    }
}
