public import BlockIO

extension BlockImage {
    /// Opens an image whose bytes a ``VolatileDisk`` holds. No file of the host is involved: the image's
    /// `kind` is `backEnd`, its engine has the name of the disk, "volatile disk", and it
    /// holds no lock.
    ///
    /// The disk demands whole sectors of 512 bytes, unless `options.alignment` says otherwise. With a
    /// buffered image, writes go to a page cache that a power cut empties too. An image that is open for
    /// writing can do all that a file can: durable writes, discards and zeroes, and it can be resized, up to
    /// ``VolatileDisk/sizeLimit``. A disk outlives its images: one can be opened after the other, as after a
    /// power cut. Two at the same time see each other's writes.
    ///
    /// - Parameters:
    ///   - disk: Any size will do, as that of a file.
    ///   - options: As for a file, but that a lock other than `off` and the engine of a file cannot be asked
    ///     for.
    /// - Throws: `BlockError` whose code says what refused: `invalidOption`, `lockUnavailable`,
    ///   `engineUnavailable`, `sizeNotMultiple`.
    public static func open(
        volatileDisk disk: VolatileDisk, _ options: OpenOptions = OpenOptions()
    ) throws(BlockError) -> BlockImage {
        try open(backEnd: disk, options)
    }
}
