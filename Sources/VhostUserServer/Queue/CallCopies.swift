import BlockHost
import Glibc

/// Descriptors of the server's thread for the events that the threads of its queues write as calls.
///
/// A queue writes its event in one system call. A front end can make the event a blocking one and fill it, and the
/// thread of the queue then waits in write(2). That must not last when the server's thread wants something of that
/// thread, or of another one: a request of one queue can wait for requests of the others. So whatever the server's
/// thread waits for, it makes room in all of them.
///
/// `@unchecked`: only the server's thread uses it.
final class CallCopies: @unchecked Sendable {
    private var copies: [CInt] = []

    deinit { for copy in copies { Glibc.close(copy) } }

    /// Copies a descriptor.
    func add(_ descriptor: CInt) throws(SystemCallError) -> CInt {
        let copy = try SharedEvent.duplicate(descriptor)
        copies.append(copy)
        return copy
    }

    /// Closes a copy: no thread writes the event any more.
    func close(_ copy: CInt) {
        copies.removeAll { $0 == copy }
        Glibc.close(copy)
    }

    /// Lets a thread go on that waits in write(2). To be repeated until it does.
    func makeRoom() {
        for copy in copies { SharedEvent.makeRoom(copy) }
    }
}
