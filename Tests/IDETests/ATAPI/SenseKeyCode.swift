/// What REQUEST SENSE says: key, then code and qualifier.
struct SenseKeyCode: Equatable, CustomStringConvertible {
    var key: UInt8
    var code: UInt16

    init(_ key: UInt8, _ code: UInt16) {
        self.key = key
        self.code = code
    }

    // Keys of SPC-3 4.5.6, codes of its annex D.
    static let none = SenseKeyCode(0, 0)
    static let mediumNotPresent = SenseKeyCode(2, 0x3A00)
    static let removalPrevented = SenseKeyCode(2, 0x5302)
    static let unrecoveredReadError = SenseKeyCode(3, 0x1100)
    static let invalidOperation = SenseKeyCode(5, 0x2000)
    static let addressOutOfRange = SenseKeyCode(5, 0x2100)
    static let invalidField = SenseKeyCode(5, 0x2400)
    static let commandSequenceError = SenseKeyCode(5, 0x2C00)
    static let incompatibleFormat = SenseKeyCode(5, 0x3002)
    static let savingNotSupported = SenseKeyCode(5, 0x3900)
    static let illegalModeForTrack = SenseKeyCode(5, 0x6400)
    static let mediumMayHaveChanged = SenseKeyCode(6, 0x2800)

    var description: String { "\(hex(key))/\(hex(code))" }
}
