package import BlockIO

/// One queue at a time: a kernel has the submissions of one engine in flight.
extension ModelKernel: BackEnd {
    package var name: String { "model" }
    package var size: UInt64 { UInt64(disk.byteCount) }
    package var alignment: HostAlignment { HostAlignment(memory: 1, offset: block) }
    package var isDirect: Bool { !isBuffered }
    package var capabilities: BlockImage.Capabilities { .all }

    package func openEngine(
        for image: BlockImage, _ options: QueueOptions
    ) throws(BlockError) -> any OpenEngine {
        EngineBox(try ModelEngine(self, image: image, depth: options.depth))
    }
}
