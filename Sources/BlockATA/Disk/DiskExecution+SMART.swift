// SMART (ATA/ATAPI-6 8.51).
extension DiskExecution {
    /// Subcommands, the content of the features register (8.51, table 48).
    private enum Subcommand {
        static let readData: UInt8 = 0xD0
        /// ATA/ATAPI-3 8.41.5
        static let readThresholds: UInt8 = 0xD1
        static let autosave: UInt8 = 0xD2
        static let executeOffline: UInt8 = 0xD4
        static let readLog: UInt8 = 0xD5
        static let enable: UInt8 = 0xD8
        static let disable: UInt8 = 0xD9
        static let returnStatus: UInt8 = 0xDA
    }

    /// LBA Mid and High as a key (8.51.1.3).
    private static let key: (mid: UInt8, high: UInt8) = (0x4F, 0xC2)
    /// The same from a disk that is about to fail (8.51.7.5).
    private static let failing: (mid: UInt8, high: UInt8) = (0xF4, 0x2C)

    func smart() {
        let file = registers.pointee.taskFile
        guard file.lbaMid.current == Self.key.mid, file.lbaHigh.current == Self.key.high,
            settings.isSMARTOn || file.features.current == Subcommand.enable
        else { return abort() }
        switch file.features.current {
        case Subcommand.readData:
            return sendPage {
                SMARTPage.fillData($0, state.pointee.errorLog, state.pointee.selfTests)
            }
        case Subcommand.readThresholds: return sendPage { SMARTPage.fillThresholds($0) }
        case Subcommand.readLog: return readLog()
        case Subcommand.autosave:
            guard setAutosave(file.count.current) else { return abort() }
        case Subcommand.executeOffline:
            guard test(file.lbaLow.current) else { return abort() }
        case Subcommand.enable: settings.isSMARTOn = true
        case Subcommand.disable: settings.isSMARTOn = false
        case Subcommand.returnStatus:
            let isFailing = SMARTPage.isFailing(state.pointee.errorLog)
            let answer = isFailing ? Self.failing : Self.key
            registers.pointee.taskFile.lbaMid.current = answer.mid
            registers.pointee.taskFile.lbaHigh.current = answer.high
        default: return abort()
        }
        succeed()
    }

    /// 00h is off, F1h on (8.51.2).
    private func setAutosave(_ value: UInt8) -> Bool {
        guard value == 0 || value == 0xF1 else { return false }
        settings.isAutosaveOn = value == 0xF1
        return true
    }

    /// SMART EXECUTE OFF-LINE IMMEDIATE (8.51.4, table 49). A self-test does not read the medium.
    /// It passes if no read of the guest has failed since power-on.
    private func test(_ subcommand: UInt8) -> Bool {
        switch subcommand {
        // Collect data; abort a self-test, of which none is ever under way.
        case 0x00, 0x7F: return true
        // Short and extended, off-line and captive.
        case 0x01, 0x02, 0x81, 0x82:
            state.pointee.selfTests.add(
                subcommand, hasPassed: state.pointee.errorLog.readErrors == 0)
            return true
        default: return false
        }
    }

    /// SMART READ LOG (8.51.6): the log's address is in LBA Low, sectors in the count.
    private func readLog() {
        let file = registers.pointee.taskFile
        guard file.count.current == 1 else { return abort() }
        switch file.lbaLow.current {
        // 8.51.6.8.1, table 55: version 1, and one sector in each of the logs 1 and 6.
        case 0x00:
            sendPage {
                $0[0] = 1
                $0[2 * 1] = 1
                $0[2 * 6] = 1
            }
        case 0x01: sendPage { state.pointee.errorLog.fill($0) }
        case 0x06: sendPage { state.pointee.selfTests.fill($0) }
        default: abort()
        }
    }
}
