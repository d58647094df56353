/// The pages of READ DATA and READ THRESHOLDS.
enum SMARTPage {
    /// Below or at this a disk is about to fail.
    private static let threshold: UInt8 = 6
    /// Attribute numbers as the industry uses them: read error rate and write error rate.
    private static let attributes: [UInt8] = [0x01, 0xC8]

    /// 100 for a disk without errors.
    private static func value(_ errors: UInt64) -> UInt8 { UInt8(100 - min(errors, 99)) }

    static func isFailing(_ log: SMARTErrorLog) -> Bool {
        min(value(log.readErrors), value(log.writeErrors)) <= threshold
    }

    /// ATA/ATAPI-6 8.51.5.8, table 50; the attributes as in ATA/ATAPI-3 8.41.6, table 22.
    static func fillData(
        _ page: SectorPage, _ log: SMARTErrorLog, _ tests: SMARTSelfTestLog
    ) {
        page[0] = 1
        for (index, errors) in [log.readErrors, log.writeErrors].enumerated() {
            let place = 2 + 12 * index
            page[place] = attributes[index]
            // Pre-failure, and collected on-line.
            page[place + 1] = 0x03
            page[place + 3] = value(errors)
            page[place + 4] = value(errors)
            for byte in 0..<6 {
                page[place + 5 + byte] = UInt8(truncatingIfNeeded: errors >> UInt64(8 * byte))
            }
        }
        page[363] = tests.lastStatus
        // EXECUTE OFF-LINE IMMEDIATE and self-tests are implemented.
        page[367] = 1 << 4 | 1 << 0
        // Saves attributes before power saving, and on its own.
        page[368] = 0x03
        // Error logging
        page[370] = 0x01
        // The times of the self-tests: one minute, the smallest value.
        page[372] = 1
        page[373] = 1
        page.seal()
    }

    /// ATA/ATAPI-3 8.41.5, table 20
    static func fillThresholds(_ page: SectorPage) {
        page[0] = 1
        for (index, attribute) in attributes.enumerated() {
            page[2 + 12 * index] = attribute
            page[2 + 12 * index + 1] = threshold
        }
        page.seal()
    }
}
