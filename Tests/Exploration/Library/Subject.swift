import BlockIO
import BlockIOTesting
import Glibc

/// What is explored: the queue over one kind of engine.
package struct Subject: Sendable {
    package let name: String
    /// The engine that the image is opened with, on a file; `nil` to open it on the model kernel.
    package let engine: EngineKind?
    package let threading: QueueThreading
    /// Makes a queue that runs on this kernel.
    let open: @Sendable (BlockImage, ModelKernel, QueueOptions) throws -> BlockQueue
    /// The run is over.
    let leave: @Sendable () -> Void
    /// Says that submissions have been answered while nobody was in the kernel.
    let publish: @Sendable () -> Void
    /// Tells before a look at a descriptor that what it says must be up to date.
    let refresh: @Sendable () -> Void

    /// libaio takes direct images only.
    package func canOpen(_ layout: Layout) -> Bool {
        engine != .linuxAIO || layout.caching == .direct
    }

    /// The queue over the model engine.
    package static let model = Subject(
        name: "model", engine: nil, threading: .owned,
        open: { image, _, options in try BlockQueue(image, options) })

    package init(
        name: String, engine: EngineKind?, threading: QueueThreading,
        open: @escaping @Sendable (BlockImage, ModelKernel, QueueOptions) throws -> BlockQueue,
        leave: @escaping @Sendable () -> Void = {},
        publish: @escaping @Sendable () -> Void = {},
        refresh: @escaping @Sendable () -> Void = {}
    ) {
        self.name = name
        self.engine = engine
        self.threading = threading
        self.open = open
        self.leave = leave
        self.publish = publish
        self.refresh = refresh
    }
}
