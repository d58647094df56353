/// How a command ended.
package struct CommandEnd: Sendable, Hashable {
    /// How the transfer of a command ended.
    package enum Transfer: Sendable, Hashable {
        /// All data was moved.
        case success
        /// It failed, but guest memory has no part in it.
        case failure
        /// Guest memory could not be read or written.
        case fault
    }

    /// The status register.
    package let status: UInt8
    /// The error register.
    package let error: UInt8
    /// Whether the drive asserts its interrupt.
    package let isInterrupting: Bool
    /// How its transfer ended; `nil` for a command without one.
    package let transfer: Transfer?
}
