import BlockIO

extension QueueOptions {
    /// The same for the queue of a drive, which the threads of its controller share under their lock, and
    /// which an event loop waits for.
    var ofDrive: QueueOptions {
        var options = self
        options.threading = .shared
        options.hasDescriptor = true
        return options
    }
}
