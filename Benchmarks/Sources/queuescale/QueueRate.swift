/// What one turn of a number of queues has moved.
struct QueueRate {
    /// Of all queues together.
    let requestsPerSecond: Double
    /// Of all threads of the process, those of the library and of io_uring included.
    let processorTimePerRequest: Double
}
