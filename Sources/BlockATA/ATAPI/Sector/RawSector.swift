/// A sector of a CD with everything around its user data (ECMA-130 clause 14).
enum RawSector {
    /// Bytes in a sector (ECMA-130 14).
    static let size = 2352
    /// Where the fields begin (14.1 to 14.3): synchronisation, header, user data, EDC, and behind
    /// that the intermediate field and the parities.
    static let header = 12
    static let userData = 16
    static let detection = 2064
    static let intermediate = 2068
    static let parity = 2076
    /// In Mode 2: the user data behind the sub-header of 8 bytes, and what is behind it in form 1 and in
    /// form 2 (MMC-5 4.2.3).
    static let formUserData = 24
    static let form1Detection = 2072
    static let form2Detection = 2348

    /// The mode byte (ECMA-130 14.2).
    private static let mode: UInt8 = 1

    /// Fills in what belongs around the 2048 bytes of user data of the Mode 1 sector at `sector`, which
    /// has room for 2352.
    static func complete(_ sector: UnsafeMutableRawPointer, block: UInt32) {
        // 14.1: 00, ten times FF, 00.
        unsafe sector.initializeMemory(as: UInt8.self, repeating: 0xFF, count: header)
        unsafe sector.storeBytes(of: 0, as: UInt8.self)
        unsafe sector.storeBytes(of: 0, toByteOffset: header - 1, as: UInt8.self)
        let address = DiscAddress(block: block)
        for (index, field) in [address.minute, address.second, address.frame].enumerated() {
            unsafe sector.storeBytes(
                of: DiscAddress.bcd(field), toByteOffset: header + index, as: UInt8.self)
        }
        unsafe sector.storeBytes(of: mode, toByteOffset: header + 3, as: UInt8.self)
        let code = unsafe ErrorDetectionCode.of(
            UnsafeRawBufferPointer(start: sector, count: detection))
        unsafe sector.storeBytes(of: code.littleEndian, toByteOffset: detection, as: UInt32.self)
        unsafe (sector + intermediate).initializeMemory(
            as: UInt8.self, repeating: 0, count: parity - intermediate)
        unsafe ErrorCorrectionCode.add(to: sector)
    }
}
