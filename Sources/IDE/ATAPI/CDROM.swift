public import BlockIO

/// A CD/DVD-ROM drive, with or without a disc, to be plugged into an ``IDEController``.
///
/// A disc is an image of blocks of 2048 bytes, as an ISO 9660 file system is; one of more than 80
/// minutes (703 MiB) is a DVD. Images are only read, whatever they are opened for. The disc can be
/// changed at any time, see ``IDEController/changeMedium(_:to:)``.
public final class CDROM {
    /// How it presents itself.
    public let options: CDROMOptions
    let queueOptions: QueueOptions
    let descriptors: DescriptorGroup
    /// The disc that is in it when it is plugged in.
    let medium: CDMedium?
    /// A controller has it.
    var isPluggedIn = false

    /// A drive with `image` in it, or nothing. Opens a queue on each image that comes into it, with
    /// threading and descriptor as a controller needs them.
    public init(
        _ image: BlockImage?, _ options: CDROMOptions = CDROMOptions(),
        queue queueOptions: QueueOptions = QueueOptions()
    ) throws(IDEError) {
        try options.validate()
        var queueOptions = queueOptions
        queueOptions.threading = .shared
        queueOptions.hasDescriptor = true
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
