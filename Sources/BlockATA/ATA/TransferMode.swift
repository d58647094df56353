/// Transfer modes as SET FEATURES 03h names them (ATA/ATAPI-6 8.46.12, table 44).
package enum TransferMode {
    /// Ultra DMA mode 5, the fastest.
    package static let `default`: UInt8 = 0x45

    /// The modes that drives here claim: PIO default without and with IORDY, PIO with flow control
    /// 0 to 4, Multiword DMA 0 to 2, Ultra DMA 0 to 5.
    package static func isKnown(_ mode: UInt8) -> Bool {
        switch mode {
        case 0x00, 0x01, 0x08...0x0C, 0x20...0x22, 0x40...0x45: true
        default: false
        }
    }

    /// Whether it is a mode of DMA; a PIO mode leaves that as it is.
    package static func isDMA(_ mode: UInt8) -> Bool { mode & 0x60 != 0 }
}
