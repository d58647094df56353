extension BlockImage {
    /// Opens an image from a descriptor of a file or block device that is open already, for instance one
    /// that was received from another process.
    ///
    /// Descriptors that are duplicates of each other share one open file description (open(2)). The image
    /// changes that description, and so what all of its duplicates see, in two ways:
    ///
    /// - While the image is open, O_DIRECT is on or off as ``OpenOptions/caching`` says, and O_NONBLOCK is
    ///   off. When it is released, both are as they were. So images that are opened from duplicates of one
    ///   descriptor must agree in ``OpenOptions/caching``, and the one that was opened first is released last.
    /// - The lock (``OpenOptions/lock``) belongs to the description. So it does not keep apart two images
    ///   that are opened from duplicates of one descriptor. When the image is released, or cannot be
    ///   opened because of another lock, no lock of this kind is left on the description, even if its owner
    ///   had taken one before. With ``OpenOptions/Lock/off`` the locks stay as they are.
    ///
    /// The position of the description is not used. A block device is not claimed with O_EXCL: that was for
    /// whoever opened the descriptor to do.
    ///
    /// - Parameters:
    ///   - descriptor: Open for reading, and for writing too unless the image is opened read-only; not with
    ///     O_APPEND, which lets Linux ignore the position of a write (pwrite(2), "BUGS").
    ///   - ownership: Who closes the descriptor.
    ///   - name: What messages call the image; by default the number of the descriptor.
    ///   - options: As for ``open(_:_:)``.
    /// - Throws: ``BlockError`` whose code says which step refused: ``BlockError/Code/permissionDenied`` for
    ///   a descriptor that is not open for what `options` ask for, ``BlockError/Code/directIOUnavailable``
    ///   where O_DIRECT cannot be set, ``BlockError/Code/invalidOption`` for O_APPEND. The flags of the
    ///   description are then as they were, and a borrowed descriptor stays open.
    public static func open(
        descriptor: CInt, ownership: DescriptorOwnership, named name: String? = nil,
        _ options: OpenOptions = OpenOptions()
    ) throws(BlockError) -> BlockImage {
        let pathname = Pathname(name ?? "descriptor \(descriptor)")
        let file = try HostFile.adopt(descriptor, ownership, pathname, options)
        return try open(file, options)
    }
}
