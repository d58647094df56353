extension BlockImage {
    /// What can be done with an image.
    public struct Capabilities: OptionSet, Sendable, Hashable {
        /// The capabilities as bits.
        public let rawValue: UInt8
        /// The capabilities that these bits stand for.
        public init(rawValue: UInt8) { self.rawValue = rawValue }
        /// ``BlockQueue/writev(_:at:durability:userData:)`` and the other calls that write.
        public static let write = Capabilities(rawValue: 1 << 0)
        /// Flush reaches stable storage (fdatasync(2)).
        public static let flush = Capabilities(rawValue: 1 << 1)
        /// Single writes can be made stable (RWF_DSYNC).
        public static let durableWrite = Capabilities(rawValue: 1 << 2)
        /// ``BlockQueue/discard(at:length:userData:)``.
        public static let discard = Capabilities(rawValue: 1 << 3)
        /// ``BlockQueue/writeZeroes(at:length:options:userData:)``.
        public static let writeZeroes = Capabilities(rawValue: 1 << 4)
        /// ``BlockQueue/resize(to:userData:)``: not block devices.
        public static let resize = Capabilities(rawValue: 1 << 5)
    }
}

extension BlockImage.Capabilities {
    /// The capabilities of a block device that is open for writing.
    static let ofDevice: Self = [.write, .flush, .durableWrite, .discard, .writeZeroes]

    /// The capabilities of a file that is open for writing.
    package static let all: Self = [ofDevice, .resize]

    /// What can be done with storage that has these, opened with this access.
    init(of storage: Self, _ access: OpenOptions.Access) {
        self = access == .readWrite ? storage.union(.flush) : .flush
    }
}
