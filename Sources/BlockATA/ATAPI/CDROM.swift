public import BlockIO

/// A CD/DVD-ROM drive, with or without a disc, to be plugged into a controller.
///
/// A disc is an image of blocks of 2048 bytes, as an ISO 9660 file system is; one of more than 80
/// minutes (703 MiB) is a DVD. An image of raw sectors, 2352 bytes each, of mode 1 or mode 2 (a `.bin`
/// file), is recognised by the first two of them and is always a CD. One that begins as such an image but is
/// none, and one with sectors of 2448 or 2336 bytes, is refused; sectors of 2336 bytes are only noticed
/// when they hold an ISO 9660 file system. Images are only read, whatever they are opened for. The
/// disc can be changed at any time, see the controller that it is plugged into.
public final class CDROM {
    /// How it presents itself.
    public let options: CDROMOptions
    package let queueOptions: QueueOptions
    package let descriptors: DescriptorGroup
    /// The disc that is in the drive when the drive is plugged in.
    let medium: CDMedium?
    /// Whether it is plugged into a controller.
    package internal(set) var isPluggedIn = false

    /// A drive with `image` in it, or nothing. Reads the start of each image that comes into it and
    /// opens a queue on it, with threading and descriptor as a controller needs them.
    ///
    /// - Throws: ``ATAError/invalidOption(_:)`` for an image that holds no disc that is supported,
    ///   ``ATAError/image(_:)`` when no queue can be opened.
    public init(
        _ image: BlockImage?, _ options: CDROMOptions = CDROMOptions(),
        queue queueOptions: QueueOptions = QueueOptions()
    ) throws(ATAError) {
        try options.validate()
        let queueOptions = queueOptions.ofDrive
        self.options = options
        self.queueOptions = queueOptions
        descriptors = try DescriptorGroup()
        if let image {
            medium = try CDMedium(image, queueOptions, descriptors)
        } else {
            medium = nil
        }
    }
}
