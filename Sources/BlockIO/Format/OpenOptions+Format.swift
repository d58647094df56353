extension OpenOptions {
    /// How the bytes of an image lie in its files.
    public struct Format: Sendable, Hashable, CustomStringConvertible {
        /// The bytes of the image are those of the file or device.
        public static let raw = Format(name: "raw", open: nil)

        /// As on command lines: "raw".
        public let name: String

        /// Makes the format of one image: given the file that the image was opened with and the options, it
        /// opens what further files there are. `nil` for images whose bytes are those of their file.
        let open: (@Sendable (HostFile, OpenOptions) throws(BlockError) -> any ImageFormat)?

        private init(
            name: String,
            open: (@Sendable (HostFile, OpenOptions) throws(BlockError) -> any ImageFormat)?
        ) {
            self.name = name
            self.open = open
        }

        /// A format that finds the bytes of an image by `open`. Two formats are the same when they have the
        /// same name.
        package init(
            name: String,
            _ open:
                @escaping @Sendable (HostFile, OpenOptions) throws(BlockError) -> any ImageFormat
        ) {
            self.init(name: name, open: open)
        }

        /// Whether both have the same name.
        public static func == (left: Format, right: Format) -> Bool { left.name == right.name }

        /// Feeds the name.
        public func hash(into hasher: inout Hasher) { hasher.combine(name) }

        /// The name.
        public var description: String { name }
    }
}
