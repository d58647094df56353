public import BlockIO

extension QueueOptions {
    /// These options with decorators between the pipeline of the queue and its engine. The first sees an
    /// engine submission first and its answer last; those that the options have already are below them.
    public func decorated(by decorators: [QueueDecorator]) -> QueueOptions {
        var options = self
        options.decorators = decorators.flatMap(\.layers) + options.decorators
        return options
    }
}
