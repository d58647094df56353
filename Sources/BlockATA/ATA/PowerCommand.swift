/// The power management commands, which every kind of drive has. Sections are of ATA/ATAPI-6 unless
/// another standard is named.
enum PowerCommand: UInt8 {
    /// ATA/ATAPI-3 8.37, the former code of STANDBY IMMEDIATE
    case standbyImmediateOld = 0x94
    /// ATA/ATAPI-3 8.11, of IDLE IMMEDIATE
    case idleImmediateOld = 0x95
    /// ATA/ATAPI-3 8.36, of STANDBY
    case standbyOld = 0x96
    /// ATA/ATAPI-3 8.10, of IDLE
    case idleOld = 0x97
    /// ATA/ATAPI-3 8.2, of CHECK POWER MODE
    case checkPowerModeOld = 0x98
    /// ATA/ATAPI-3 8.34, of SLEEP
    case sleepOld = 0x99
    /// 8.53
    case standbyImmediate = 0xE0
    /// 8.18
    case idleImmediate = 0xE1
    /// 8.52
    case standby = 0xE2
    /// 8.17
    case idle = 0xE3
    /// 8.7
    case checkPowerMode = 0xE5
    /// 8.50
    case sleep = 0xE6
}
