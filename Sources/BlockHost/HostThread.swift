public import CBlockHost

// @usableFromInline: inlinable code of other targets uses `number`.
/// Threads of this library.
@usableFromInline package enum HostThread {
    /// The stack size, in bytes, of a thread with few frames. It has a margin for sanitizers.
    package static var smallStack: Int { 512 * 1024 }

    /// Starts a detached thread that runs `body`.
    ///
    /// The thread blocks all signals, because signals belong to the emulator, except those that a
    /// fault of the thread itself raises: SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS and SIGTRAP. The
    /// kernel ends the process when a fault raises a signal that the thread blocks; a process could
    /// then not survive the loss of guest memory.
    ///
    /// - Parameters:
    ///   - name: For debuggers and top(1), at most 15 bytes.
    ///   - stackSize: In bytes; 0 is the system's choice.
    /// - Throws: The error of pthread_create(3). `body` is not called then.
    package static func start(
        named name: StaticString, stackSize: Int = 0, _ body: @escaping @Sendable () -> Void
    ) throws(SystemCallError) {
        let job = unsafe Unmanaged.passRetained(ThreadJob(name, body))
        let error = unsafe cblockhost_thread_start(
            stackSize,
            { context in
                guard let context = unsafe context else { return nil }
                let job = unsafe Unmanaged<ThreadJob>.fromOpaque(context).takeRetainedValue()
                // A StaticString ends with a zero.
                unsafe cblockhost_thread_set_name(
                    UnsafeRawPointer(job.name.utf8Start).assumingMemoryBound(to: CChar.self))
                job.body()
                return nil
            }, unsafe job.toOpaque())
        guard error == 0 else {
            unsafe job.release()
            throw SystemCallError("pthread_create(3)", error)
        }
    }

    /// A number of the calling thread that no other thread of the process ever has.
    @inlinable package static var number: UInt { UInt(cblockhost_thread()) }
}

/// What a new thread runs.
private final class ThreadJob: Sendable {
    let name: StaticString
    let body: @Sendable () -> Void

    init(_ name: StaticString, _ body: @escaping @Sendable () -> Void) {
        self.name = name
        self.body = body
    }
}
