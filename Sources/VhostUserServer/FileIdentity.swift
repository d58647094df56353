import Glibc

/// Tells files apart, however many descriptors there are of each.
struct FileIdentity: Equatable {
    let device: dev_t
    let inode: ino_t

    /// The file behind a descriptor.
    init(_ descriptor: CInt) throws(Refusal) {
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { throw Refusal(errno) }
        device = status.st_dev
        inode = status.st_ino
    }
}
