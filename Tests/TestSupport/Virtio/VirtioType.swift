/// The kinds of request of a driver (virtio 1.2, 5.2.6), by the specification's numbers.
enum VirtioType {
    static let read: UInt32 = 0
    static let write: UInt32 = 1
    static let flush: UInt32 = 4
    static let identify: UInt32 = 8
    static let discard: UInt32 = 11
    static let writeZeroes: UInt32 = 13
    /// VIRTIO_BLK_T_SECURE_ERASE, which the device does not offer.
    static let secureErase: UInt32 = 14
}

/// The status of a request.
enum VirtioStatus {
    static let ok: UInt8 = 0
    static let ioError: UInt8 = 1
    static let unsupported: UInt8 = 2
    /// What the drivers of these tests write before.
    static let untouched: UInt8 = 0xEE
}
