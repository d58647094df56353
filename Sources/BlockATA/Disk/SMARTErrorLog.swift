package import BlockState

/// The last errors of host requests that were reported to the guest (ATA/ATAPI-6 8.51.6.8.2).
package struct SMARTErrorLog {
    /// One error.
    package struct Entry {
        package var opcode: UInt8 = 0
        /// The registers with the command.
        package var parameters = TaskFile()
        /// The registers after it.
        package var results = TaskFile()
        package var status: UInt8 = 0
        package var error: UInt8 = 0

        package init() {}

        init(
            opcode: UInt8, parameters: TaskFile, results: TaskFile, status: UInt8, error: UInt8
        ) {
            self.opcode = opcode
            self.parameters = parameters
            self.results = results
            self.status = status
            self.error = error
        }
    }

    /// Structures in the summary error log.
    package static let capacity = 5

    /// Number n is at n modulo ``capacity``.
    package private(set) var entries: (Entry, Entry, Entry, Entry, Entry) = (
        Entry(), Entry(), Entry(), Entry(), Entry()
    )
    package private(set) var readErrors: UInt64 = 0
    package private(set) var writeErrors: UInt64 = 0

    package init() {}

    package var count: UInt64 { readErrors &+ writeErrors }

    package mutating func add(_ entry: Entry, isRead: Bool) {
        set(Int(count % UInt64(Self.capacity)), entry)
        if isRead { readErrors &+= 1 } else { writeErrors &+= 1 }
    }

    private mutating func set(_ index: Int, _ entry: Entry) {
        switch index {
        case 0: entries.0 = entry
        case 1: entries.1 = entry
        case 2: entries.2 = entry
        case 3: entries.3 = entry
        default: entries.4 = entry
        }
    }

    package func entry(_ index: Int) -> Entry {
        switch index {
        case 0: entries.0
        case 1: entries.1
        case 2: entries.2
        case 3: entries.3
        default: entries.4
        }
    }

    /// Table 56: five structures of 90 bytes, of which byte 1 names the newest.
    package func fill(_ page: SectorPage) {
        page[0] = 1
        if count > 0 { page[1] = UInt8((count &- 1) % UInt64(Self.capacity)) &+ 1 }
        for index in 0..<Int(min(count, UInt64(Self.capacity))) {
            fill(page, at: 2 + 90 * index, entry(index))
        }
        let total = UInt16(clamping: count)
        page[452] = UInt8(truncatingIfNeeded: total)
        page[453] = UInt8(truncatingIfNeeded: total >> 8)
        page.seal()
    }

    /// Tables 57 to 59: the last of five commands is the one that failed; then the error.
    private func fill(
        _ page: SectorPage, at place: Int, _ entry: Entry
    ) {
        let command = place + 48
        page[command + 1] = entry.parameters.features.current
        put(page, command + 2, entry.parameters)
        page[command + 7] = entry.opcode
        let error = place + 60
        page[error + 1] = entry.error
        put(page, error + 2, entry.results)
        page[error + 7] = entry.status
    }

    private func put(_ page: SectorPage, _ place: Int, _ file: TaskFile) {
        page[place] = file.count.current
        page[place + 1] = file.lbaLow.current
        page[place + 2] = file.lbaMid.current
        page[place + 3] = file.lbaHigh.current
        page[place + 4] = file.device
    }
}

extension SMARTErrorLog: StateFields {
    package mutating func fields(_ codec: inout some StateCodec) throws(StateError) {
        try codec.number(&readErrors, "readErrors")
        try codec.number(&writeErrors, "writeErrors")
        try codec.check(
            "writeErrors", "the sum with `readErrors` fits into 8 bytes",
            !readErrors.addingReportingOverflow(writeErrors).overflow)
        var entries = (0..<Self.capacity).map(entry)
        try codec.structures(&entries, "entries")
        for (index, entry) in entries.enumerated() { set(index, entry) }
    }
}

extension SMARTErrorLog.Entry: StateFields {
    package mutating func fields(_ codec: inout some StateCodec) throws(StateError) {
        try codec.number(&opcode, "opcode")
        try codec.structure(&parameters, "parameters")
        try codec.structure(&results, "results")
        try codec.number(&status, "status")
        try codec.number(&error, "error")
    }
}
