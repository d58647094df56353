import BlockHost

extension ByteQueue {
    /// 0x, then at least so many digits.
    mutating func append(hexadecimal value: UInt64, digits: Int) {
        let needed = (64 - value.leadingZeroBitCount + 3) / 4
        append("0x")
        var shift = 4 * Swift.max(digits, needed)
        while shift > 0 {
            shift -= 4
            append(DataText.digit(UInt8(truncatingIfNeeded: value >> UInt64(shift)) & 15))
        }
    }
}
