/// Device control register (ATA/ATAPI-6 7.8).
@usableFromInline package enum DeviceControl {
    /// HOB: reads show what was written before the last time (7.8.3).
    @inlinable package static var highOrderByte: UInt8 { 1 << 7 }
    /// SRST (7.8.3).
    @inlinable package static var softwareReset: UInt8 { 1 << 2 }
    /// nIEN: no interrupts (7.8.3).
    @inlinable package static var interruptsOff: UInt8 { 1 << 1 }
}
