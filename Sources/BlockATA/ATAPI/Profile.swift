/// Profile numbers (MMC-5 table 106).
package enum Profile {
    package static let none: UInt16 = 0x0000
    package static let cdROM: UInt16 = 0x0008
    package static let dvdROM: UInt16 = 0x0010
}
