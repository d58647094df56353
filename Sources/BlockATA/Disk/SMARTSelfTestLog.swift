package import BlockState

/// The last self-tests (ATA/ATAPI-6 8.51.6.8.3).
package struct SMARTSelfTestLog {
    /// Descriptors in the log.
    package static let capacity = 21

    /// How many tests there have been.
    package private(set) var count: UInt64 = 0
    /// Bit n: the test in place n has passed.
    package private(set) var passed: UInt32 = 0
    /// The subcommand in each place, two bits each: bit 7 and bit 1 of it.
    package private(set) var kinds: UInt64 = 0

    /// Self-test execution status (table 51): completed, or a read that failed.
    private static let completed: UInt8 = 0x00
    private static let readFailed: UInt8 = 0x70

    package mutating func add(_ subcommand: UInt8, hasPassed: Bool) {
        let place = UInt64(count % UInt64(Self.capacity))
        let kind = UInt64(subcommand >> 6 & 2 | subcommand >> 1 & 1)
        kinds = kinds & ~(3 << (2 * place)) | kind << (2 * place)
        passed = passed & ~(1 << UInt32(place)) | (hasPassed ? 1 : 0) << UInt32(place)
        count &+= 1
    }

    package init() {}

    /// The execution status of the newest test.
    package var lastStatus: UInt8 {
        count == 0 ? Self.completed : status((count &- 1) % UInt64(Self.capacity))
    }

    private func status(_ place: UInt64) -> UInt8 {
        passed >> UInt32(place) & 1 != 0 ? Self.completed : Self.readFailed
    }

    /// Table 60: descriptors of 24 bytes from byte 2 on; byte 508 names the newest.
    package func fill(_ page: SectorPage) {
        page[0] = 1
        for place in 0..<min(count, UInt64(Self.capacity)) {
            let kind = UInt8(truncatingIfNeeded: kinds >> (2 * place)) & 3
            let descriptor = 2 + 24 * Int(place)
            page[descriptor] = (kind & 2) << 6 | (kind & 1 == 0 ? 1 : 2)
            page[descriptor + 1] = status(place)
        }
        if count > 0 { page[508] = UInt8((count &- 1) % UInt64(Self.capacity)) &+ 1 }
        page.seal()
    }
}

extension SMARTSelfTestLog: StateFields {
    package mutating func fields(_ codec: inout some StateCodec) throws(StateError) {
        try codec.number(&count, "count")
        try codec.number(&passed, "passed")
        try codec.number(&kinds, "kinds")
    }
}
