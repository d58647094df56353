import BlockIO

extension QueueOptions {
    /// These options with decorators between the pipeline of the queue and its engine. The first sees an
    /// operation first and its answer last; those that the options have already are below them.
    public func decorated(by decorators: [QueueDecorator]) -> QueueOptions {
        var options = self
        options.decorators = decorators.flatMap(\.layers) + options.decorators
        return options
    }

    /// These options with a disk in the place of the image's engine. The image lends the disk its size, its
    /// alignment and whether writes go through the page cache.
    public func served(by disk: VolatileDisk) -> QueueOptions {
        var options = self
        options.backEnd = disk
        return options
    }
}
