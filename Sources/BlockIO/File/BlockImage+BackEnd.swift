extension BlockImage {
    /// Opens an image whose bytes a back end holds: no file of the host is involved.
    ///
    /// The image is used as any other. Its ``kind`` is ``Kind-swift.enum/backEnd``, it holds no lock, and its
    /// ``engine`` has the name of the back end. Size, alignment and what can be done with it are as the back
    /// end says; size and alignment are asked for again where those of a file would be: after a resize, when
    /// a request ends beyond the image, and when a request is refused with EINVAL.
    ///
    /// A format (``OpenOptions/format``) finds its bytes in the back end as in a file, if it needs no second
    /// file: the back end's engine serves no other.
    ///
    /// - Parameters:
    ///   - backEnd: Lives at least as long as the image.
    ///   - name: What messages call the image; by default the name of the back end.
    ///   - options: As for ``open(_:_:)``. ``OpenOptions/engine`` is ``EngineChoice/auto``, or the back end's
    ///     own by name. A lock other than ``OpenOptions/Lock/off`` cannot be asked for.
    /// - Throws: ``BlockError`` whose code says what refused: ``BlockError/Code/permissionDenied`` for a back
    ///   end that cannot be written to, ``BlockError/Code/directIOUnavailable`` for one whose page cache
    ///   cannot be bypassed, ``BlockError/Code/lockUnavailable`` when a lock was asked for,
    ///   ``BlockError/Code/engineUnavailable`` when another engine was asked for, or when the back end answers
    ///   with a size or an alignment that nothing can have. Whether the storage can be reached shows when a
    ///   queue is opened.
    package static func open(
        backEnd: any BackEnd, named name: String? = nil, _ options: OpenOptions = OpenOptions()
    ) throws(BlockError) -> BlockImage {
        let pathname = Pathname(name ?? backEnd.name)
        let file = try HostFile.open(backEnd, named: pathname, options)
        return try open(file, options)
    }
}
