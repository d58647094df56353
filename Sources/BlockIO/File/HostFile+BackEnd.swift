import Glibc

extension HostFile {
    /// Examines a back end. Nothing is opened but by the engines of the image's queues.
    ///
    /// - Throws: ``BlockError`` whose code says what refused.
    static func open(
        _ backEnd: any BackEnd, named name: Pathname, _ options: OpenOptions
    ) throws(BlockError) -> HostFile {
        let image = name.description
        try options.validate(image: image)
        if let lock = options.lock, lock != .off {
            throw BlockError(
                .lockUnavailable, operation: .open, image: image,
                detail: "the back end \(backEnd.name) has no locks; open the image without one: "
                    + "OpenOptions.lock = .off")
        }
        if options.access == .readWrite && !backEnd.capabilities.contains(.write) {
            throw BlockError(
                .permissionDenied, errno: EROFS, operation: .open, image: image,
                detail: "the back end \(backEnd.name) is read-only")
        }
        if options.caching == .direct && !backEnd.isDirect {
            throw BlockError(
                .directIOUnavailable, operation: .open, image: image,
                detail:
                    "the back end \(backEnd.name) has a page cache that cannot be bypassed; open "
                    + "the image buffered")
        }
        let alignment = options.alignment ?? backEnd.alignment
        guard alignment.isValid else {
            throw BlockError(
                .engineUnavailable, operation: .open, image: image,
                detail: "the back end \(backEnd.name) demands alignment \(alignment.memory), "
                    + "\(alignment.offset), which is not made of powers of two up to 1 MiB")
        }
        let size = backEnd.size
        guard isSize(size) else {
            throw BlockError(
                .engineUnavailable, operation: .open, image: image,
                detail:
                    "the back end \(backEnd.name) says that it has \(size) bytes, which is more "
                    + "than \(Int64.max), the most that a file can have")
        }
        return HostFile(name, options, backEnd, size: size, alignment)
    }
}
