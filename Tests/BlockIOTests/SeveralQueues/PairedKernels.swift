import BlockIO
import BlockIOTesting
@testable import TestSupport

/// A back end each of whose queues has a model kernel of its own, over the same disk.
final class PairedKernels: BackEnd {
    let kernels: [ModelKernel]
    let disk: VolatileDisk
    let alignment: HostAlignment
    private let opened = Locked(0)

    init(queues: Int, size: Int, block: Int, _ chooser: any ModelChooser) {
        let disk = VolatileDisk(size: size, seed: 1)
        self.disk = disk
        alignment = HostAlignment(memory: 1, offset: block)
        kernels = (0..<queues).map { _ in
            ModelKernel(disk, chooser, .init(isBuffered: false, block: block))
        }
    }

    var name: String { "models" }
    var size: UInt64 { UInt64(disk.byteCount) }
    var isDirect: Bool { true }
    var capabilities: BlockImage.Capabilities { .all }

    func openEngine(
        for image: BlockImage, _ options: QueueOptions
    ) throws(BlockError) -> any OpenEngine {
        let number = opened.withLock { opened in
            defer { opened += 1 }
            return opened
        }
        return try kernels[number].openEngine(for: image, options)
    }
}
