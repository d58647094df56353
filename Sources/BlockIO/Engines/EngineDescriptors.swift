import BlockHost

/// The descriptors of an engine whose requests are in a queue of the kernel's.
struct EngineDescriptors {
    /// Wakes the engine, from any thread: the kernel's queue polls it.
    let wake: Event
    /// Signalled by the kernel when requests end; `nil` for an engine that has no use for it.
    let event: Event?
    /// What the owner of the queue watches; `nil` when the queue was opened without a descriptor.
    let set: EpollSet?

    /// `nil` when the system has none left.
    init?(hasEvent: Bool, hasSet: Bool) {
        let madeWake = try? Event()
        event = hasEvent ? try? Event() : nil
        set = hasSet ? try? EpollSet() : nil
        guard let madeWake, !hasEvent || event != nil, !hasSet || set != nil else {
            madeWake?.close()
            event?.close()
            set?.close()
            return nil
        }
        wake = madeWake
    }

    func close() {
        wake.close()
        event?.close()
        set?.close()
    }
}
