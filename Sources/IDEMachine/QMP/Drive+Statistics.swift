import BlockIO
import IDE

extension Drive {
    /// What query-blockstats says of the drive: names of QEMU's BlockDeviceStats where it has them
    /// (qapi/block-core.json).
    ///
    /// Bytes bounce in two places: the DMA mapper for what is no RAM, the block layer for the
    /// host's alignment. What is called direct bounced in neither.
    func blockStatistics(_ now: BlockStatistics, _ dma: DMABytes) -> JSONValue {
        let counters: [(JSONName, UInt64)] = [
            ("rd_bytes", now.reads.bytes),
            ("wr_bytes", now.writes.bytes),
            ("rd_operations", now.reads.operations),
            ("wr_operations", now.writes.operations),
            ("flush_operations", now.flushes.operations),
            ("unmap_operations", now.discards.operations),
            ("fua_operations", now.durableWrites.operations),
            ("direct_bytes", now.directBytes &- min(dma.bounced, now.directBytes)),
            ("bounced_bytes", now.bouncedBytes &+ dma.bounced),
            ("split", now.splits),
            ("rmw", now.readModifyWrites),
            ("short", now.shortTransfers),
            ("retried", now.retries),
            ("fallback", now.fallbacks),
            ("inline", now.inlineCompletions),
        ]
        let stats = counters.map { ($0.0, JSONValue.integer(Int64(clamping: $0.1))) }
        return [
            "device": .string(slot.description),
            "stats": .object(Dictionary(uniqueKeysWithValues: stats)),
        ]
    }
}
