/// The signature that a drive shows after a reset (ATA/ATAPI-6 9.12).
package struct Signature {
    package let count: UInt8
    package let lbaLow: UInt8
    package let lbaMid: UInt8
    package let lbaHigh: UInt8
    /// What the status register shows with it.
    package let status: UInt8

    /// A drive without the PACKET feature set.
    package static let disk = Signature(
        count: 1, lbaLow: 1, lbaMid: 0, lbaHigh: 0, status: Status.good)
}

extension Signature {
    /// A drive with the PACKET feature set (ATA/ATAPI-6 9.12); it is not ready until it is asked
    /// (9.3).
    package static let packet = Signature(
        count: 1, lbaLow: 1, lbaMid: 0x14, lbaHigh: 0xEB, status: 0)
}
