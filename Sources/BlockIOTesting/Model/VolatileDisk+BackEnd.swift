package import BlockIO

extension VolatileDisk: BackEnd {
    package var name: String { "volatile disk" }
    package var size: UInt64 { UInt64(byteCount) }
    package var alignment: HostAlignment { HostAlignment(memory: 1, offset: Self.sectorSize) }
    package var isDirect: Bool { true }
    package var capabilities: BlockImage.Capabilities { .all }

    /// A kernel for each queue. The image says how large blocks are, and whether writes go through the page
    /// cache.
    package func openEngine(
        for image: BlockImage, _ options: QueueOptions
    ) throws(BlockError) -> any OpenEngine {
        let kernel = ModelKernel(
            self, RandomChooser(self),
            ModelKernel.Shape(
                isBuffered: image.caching == .buffered, block: image.alignment.offset))
        return try kernel.openEngine(for: image, options)
    }
}
