// GET CONFIGURATION (MMC-5 6.6) and the features it lists (5.3).
extension PacketReply {
    /// RT, which features are asked for (MMC-5 table 283).
    enum Requested: UInt8 {
        case all, current, one
    }

    /// Feature header (5.3.1): code, then version, persistence and currency, then what is behind.
    private struct Feature {
        let code: UInt16
        var version: UInt8 = 0
        var isPersistent = false
        var isCurrent = true
        var content: [UInt8] = []
    }

    /// The features from number `first` on.
    mutating func putConfiguration(
        _ disc: Disc?, requested: Requested, first: UInt16, serial: String
    ) {
        put32(0)
        put16(0)
        put16(disc?.profile ?? Profile.none)
        for feature in Self.features(disc, serial: serial) where feature.code >= first {
            if requested == .one && feature.code != first { continue }
            if requested == .current && !feature.isCurrent { continue }
            put16(feature.code)
            put8(
                feature.version << 2 | (feature.isPersistent ? 2 : 0)
                    | (feature.isCurrent ? 1 : 0))
            put8(UInt8(feature.content.count))
            put(feature.content)
        }
        patch32(at: 0)
    }

    private static func features(_ disc: Disc?, serial: String) -> [Feature] {
        let isCD = disc.map { !$0.isDVD } ?? false
        let isDVD = disc?.isDVD ?? false
        return [
            // 5.3.1, the profile list.
            Feature(
                code: 0x0000, isPersistent: true,
                content: profile(.init(Profile.dvdROM), isCurrent: isDVD)
                    + profile(.init(Profile.cdROM), isCurrent: isCD)),
            // 5.3.2, core: ATAPI; device busy events are not reported.
            Feature(
                code: 0x0001, version: 2, isPersistent: true, content: [0, 0, 0, 2, 0, 0, 0, 0]),
            // 5.3.3, morphing: no asynchronous events.
            Feature(code: 0x0002, version: 1, isPersistent: true, content: [0, 0, 0, 0]),
            // 5.3.4, removable medium: a tray that loads, ejects and locks.
            Feature(
                code: 0x0003, version: 0, isPersistent: true, content: [0x39, 0, 0, 0]),
            // 5.3.7, random readable: blocks of 2048, one at a time; page 01 is there.
            Feature(
                code: 0x0010, isCurrent: disc != nil,
                content: [0, 0, 0x08, 0, 0, 1, 0x01, 0]),
            // 5.3.11, CD read: no error flags, no CD-Text.
            Feature(code: 0x001E, version: 2, isCurrent: isCD, content: [0, 0, 0, 0]),
            // 5.3.12, DVD read: version 0, DVD-ROM only.
            Feature(code: 0x001F, isCurrent: isDVD),
            // 5.3.40, the serial number; it has a multiple of four characters.
            Feature(code: 0x0108, isPersistent: true, content: text(serial, count: 20)),
        ]
    }

    /// Profile descriptor (table 105).
    private static func profile(_ number: UInt16, isCurrent: Bool) -> [UInt8] {
        [UInt8(number >> 8), UInt8(truncatingIfNeeded: number), isCurrent ? 1 : 0, 0]
    }

    private static func text(_ text: String, count: Int) -> [UInt8] {
        let characters = Array(text.utf8.prefix(count))
        return characters + [UInt8](repeating: 0x20, count: count - characters.count)
    }
}
