/// The status byte of a request (virtio 1.2, 5.2.6).
enum RequestStatus: UInt8 {
    /// VIRTIO_BLK_S_OK.
    case ok = 0
    /// VIRTIO_BLK_S_IOERR.
    case ioError = 1
    /// VIRTIO_BLK_S_UNSUPP.
    case unsupported = 2
}

/// The kinds of request (virtio 1.2, 5.2.6).
enum RequestType {
    /// VIRTIO_BLK_T_IN.
    static let read: UInt32 = 0
    /// VIRTIO_BLK_T_OUT.
    static let write: UInt32 = 1
    /// VIRTIO_BLK_T_FLUSH.
    static let flush: UInt32 = 4
    /// VIRTIO_BLK_T_GET_ID.
    static let identify: UInt32 = 8
    /// VIRTIO_BLK_T_DISCARD.
    static let discard: UInt32 = 11
    /// VIRTIO_BLK_T_WRITE_ZEROES.
    static let writeZeroes: UInt32 = 13
}
