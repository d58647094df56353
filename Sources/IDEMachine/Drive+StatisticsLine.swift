import BlockIO

extension Drive {
    /// What has been done for the drive, for people and scripts.
    func statisticsLine(_ now: BlockStatistics) -> String {
        let words = [
            "\(slot):", "reads=\(now.reads.operations)", "read_bytes=\(now.reads.bytes)",
            "writes=\(now.writes.operations)", "written_bytes=\(now.writes.bytes)",
            "flushes=\(now.flushes.operations)", "discards=\(now.discards.operations)",
            "direct=\(now.directBytes)", "bounced=\(now.bouncedBytes)",
            "rmw=\(now.readModifyWrites)",
        ]
        return words.joined(separator: " ")
    }
}
