/// What the count register has for SET FEATURES, subcommand 03h (ATA/ATAPI-6 8.46.11, table 44).
enum TransferModeValue {
    static let pioDefault: UInt8 = 0x00
    static let pioDefaultWithoutIORDY: UInt8 = 0x01
    static func pio(_ mode: UInt8) -> UInt8 { 0x08 | mode }
    static func singlewordDMA(_ mode: UInt8) -> UInt8 { 0x10 | mode }
    static func multiwordDMA(_ mode: UInt8) -> UInt8 { 0x20 | mode }
    static func ultraDMA(_ mode: UInt8) -> UInt8 { 0x40 | mode }
}
