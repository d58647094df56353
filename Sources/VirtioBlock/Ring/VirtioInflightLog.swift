/// Is told which requests of a ring are under way, so that they are not lost when the program ends
/// and another one serves the ring: the inflight region of vhost-user.
///
/// The methods are called on the thread of the queue, for each request.
package protocol VirtioInflightLog: AnyObject {
    /// The request was found in the available ring, and nothing else was done with it.
    func requestTaken(_ head: UInt16)
    /// The used ring has the request, but the index of the used ring does not cover it yet.
    func requestUsed(_ head: UInt16)
    /// The index of the used ring, which is in memory now, covers all requests that were used.
    func batchPublished(_ usedIndex: UInt16)
}
