/// Minutes, seconds and frames: the address of a sector of a CD as it is on the medium (ECMA-130
/// 14.2).
struct DiscAddress: Equatable {
    var minute: UInt8
    var second: UInt8
    var frame: UInt8

    /// Sectors in a second (ECMA-130 14.2).
    static let framesPerSecond: UInt32 = 75
    /// Sectors in a minute.
    static let framesPerMinute = 60 * framesPerSecond
    /// Logical block 0 is two seconds into the first track (MMC-5 4.2.3.3).
    static let offset: UInt32 = 150
    /// Sectors before 256 minutes: answers have minutes in a byte, and no address above 255:59:74 (MMC-5
    /// 6.26.2.5).
    static let limit = 256 * framesPerMinute

    init(minute: UInt8, second: UInt8, frame: UInt8) {
        self.minute = minute
        self.second = second
        self.frame = frame
    }

    /// The address of a logical block, at most 255:59:74.
    init(block: UInt32) { self.init(frames: min(block, Self.limit - 1) + Self.offset) }

    /// The time of a number of sectors, at most 255:59:74.
    init(frames: UInt32) {
        let frames = min(frames, Self.limit - 1)
        minute = UInt8(frames / Self.framesPerMinute)
        second = UInt8(frames / Self.framesPerSecond % 60)
        frame = UInt8(frames % Self.framesPerSecond)
    }

    /// Whether seconds and frames are in their ranges; a byte of minutes always is.
    var isValid: Bool { second < 60 && frame < 75 }

    /// The logical block; negative in the two seconds before the first.
    var block: Int64 {
        let seconds = Int64(minute) * 60 + Int64(second)
        return seconds * Int64(Self.framesPerSecond) + Int64(frame) - Int64(Self.offset)
    }

    /// A number below 100 as two decimal digits (ECMA-130 14.2).
    static func bcd(_ value: UInt8) -> UInt8 { (value / 10 % 10) << 4 | value % 10 }
}
