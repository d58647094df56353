import CBlockHost

/// Threads of this library.
@usableFromInline package enum HostThread {
    /// Stack of a thread with a few frames, with a margin for sanitizers; in bytes.
    package static var smallStack: Int { 512 * 1024 }

    /// Starts a thread that nobody waits for and that runs `body`.
    ///
    /// It blocks all signals, which are the emulator's business, but those that a fault of its own raises:
    /// SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS and SIGTRAP. The kernel ends the process when a fault finds
    /// its signal blocked: a thread that blocks SIGBUS cannot outlive guest memory that is taken away.
    ///
    /// - Parameters:
    ///   - name: For debuggers and top(1), at most 15 bytes.
    ///   - stackSize: In bytes; 0 is the system's choice.
    /// - Throws: What pthread_create(3) answers; `body` is not run then.
    package static func start(
        named name: StaticString, stackSize: Int = 0, _ body: @escaping @Sendable () -> Void
    ) throws(SystemCallError) {
        let job = Unmanaged.passRetained(ThreadJob(name, body))
        let error = cblockhost_thread_start(
            stackSize,
            { context in
                let job = Unmanaged<ThreadJob>.fromOpaque(context!).takeRetainedValue()
                // A StaticString ends with a zero.
                cblockhost_thread_set_name(
                    UnsafeRawPointer(job.name.utf8Start).assumingMemoryBound(to: CChar.self))
                job.body()
                return nil
            }, job.toOpaque())
        guard error == 0 else {
            job.release()
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
