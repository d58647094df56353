import BlockIO

extension ModelKernel: BackEnd {
    package var name: String { "model" }
    package var size: UInt64 { UInt64(disk.byteCount) }
    package var alignment: HostAlignment { HostAlignment(memory: 1, offset: block) }
    package var isDirect: Bool { !isBuffered }

    package func openEngine(
        for image: BlockImage, _ options: QueueOptions
    ) throws(BlockError) -> any OpenEngine {
        EngineBox(try ModelEngine(self, image: image, depth: options.depth))
    }
}

extension VolatileDisk: BackEnd {
    package var name: String { "volatile disk" }
    package var size: UInt64 { UInt64(byteCount) }
    package var alignment: HostAlignment { HostAlignment(memory: 1, offset: Self.sectorSize) }
    package var isDirect: Bool { true }

    /// The image says how large blocks are, and whether writes go through the page cache.
    package func openEngine(
        for image: BlockImage, _ options: QueueOptions
    ) throws(BlockError) -> any OpenEngine {
        try ModelKernel(self, image: image).openEngine(for: image, options)
    }
}
