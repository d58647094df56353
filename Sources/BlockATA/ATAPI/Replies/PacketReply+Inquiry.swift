// INQUIRY (SPC-3 6.4) and vital product data (SPC-3 7.6).
extension PacketReply {
    /// CD/DVD device (SPC-3 table 83).
    private static let deviceType: UInt8 = 0x05

    /// Vital product data pages (SPC-3 table 353).
    private enum Page {
        static let supported: UInt8 = 0x00
        static let serialNumber: UInt8 = 0x80
        static let identification: UInt8 = 0x83
    }

    /// SPC-3 6.4.2, as SFF-8020i 10.8.1 has it for a packet device.
    mutating func putInquiry(_ options: CDROMOptions) {
        put8(Self.deviceType)
        // RMB: the medium can be removed.
        put8(0x80)
        // No conformance claimed in general; an ATAPI device of response data format 1.
        put8(0)
        put8(0x21)
        put8(0)
        putZeroes(3)
        putText(options.vendor, count: 8)
        putText(options.product, count: 16)
        putText(options.revision, count: 4)
        patch8(at: 4)
    }

    /// False for an unsupported page.
    mutating func putVitalProductData(_ page: UInt8, _ options: CDROMOptions) -> Bool {
        put8(Self.deviceType)
        put8(page)
        put16(0)
        switch page {
        // SPC-3 7.6.10
        case Page.supported: put([Page.supported, Page.serialNumber, Page.identification])
        // SPC-3 7.6.11
        case Page.serialNumber: putText(options.serial, count: 20)
        // SPC-3 7.6.4: a vendor specific designator, and one that begins with the vendor.
        case Page.identification:
            putDesignator(type: 0, options.serial, 20)
            putDesignator(type: 1, options.vendor, 8, options.product, 40, options.serial, 20)
        default: return false
        }
        patch16(at: 2)
        return true
    }

    /// SPC-3 7.6.4.1: ASCII, for the logical unit.
    private mutating func putDesignator(
        type: UInt8, _ first: String, _ firstCount: Int, _ second: String = "",
        _ secondCount: Int = 0, _ third: String = "", _ thirdCount: Int = 0
    ) {
        put8(0x02)
        put8(type)
        put8(0)
        put8(UInt8(firstCount + secondCount + thirdCount))
        putText(first, count: firstCount)
        putText(second, count: secondCount)
        putText(third, count: thirdCount)
    }
}
