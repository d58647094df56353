import BlockHost
import Glibc

// The watcher: see ``Watcher`` for its states.
extension ThreadPool {
    private static let period = WaitLimit.nanoseconds(2_000_000)
    private static let quietLooks = 5

    /// Under the lock: from now on somebody looks.
    func startWatch() {
        switch state.pointee.watcher {
        case .watching: return
        case .asleep:
            state.pointee.watcher = .watching
            watch.advance()
            watch.wake(1)
        case .absent:
            guard mayAskForThread else { return }
            guard makeThread("blockio-watch", { $0.watchQueue() }) else { return noteRefusal() }
            state.pointee.watcher = .watching
        }
    }

    private func watchQueue() {
        lock.lock()
        var quiet = 0
        while !state.pointee.isStopping {
            let isAsleep = state.pointee.watcher == .asleep
            let seen = watch.value
            let taken = state.pointee.taken
            let wasEmpty = state.pointee.queued.isEmpty
            lock.unlock()
            let result = watch.wait(seen, isAsleep ? Self.idleLimit : Self.period)
            lock.lock()
            // Of answers that threads have put off telling.
            if state.pointee.awaited == 0 && !state.pointee.answered.isEmpty { signalDescriptor() }
            if isAsleep {
                quiet = 0
                if result == -ETIMEDOUT && state.pointee.watcher == .asleep { break }
            } else if state.pointee.queued.isEmpty {
                quiet += 1
                if quiet == Self.quietLooks { state.pointee.watcher = .asleep }
            } else if !wasEmpty && state.pointee.taken == taken {
                callMore()
            }
        }
        state.pointee.watcher = .absent
        departure.signal()
        lock.unlock()
    }

    /// Nobody took a request in a whole period: those who serve sleep in the kernel.
    private func callMore() {
        state.pointee.pace.forget()
        let called = callThreads(.elsewhere)
        unlockAndTell(isWithoutThread && announceWork())
        work.wake(called)
        lock.lock()
    }
}
