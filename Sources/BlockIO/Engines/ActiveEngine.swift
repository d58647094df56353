import BlockHost

/// The engine of a queue. The payloads are plain pointers, so that a `switch` copies no reference
/// count.
enum ActiveEngine {
    case ioURing(UnsafeMutablePointer<URingEngine>)
    case linuxAIO(UnsafeMutablePointer<LinuxAIOEngine>)
    case threadPool(UnsafeMutablePointer<ThreadPoolEngine>)
    case decorated(UnsafeMutablePointer<DecoratedEngine>)
    case model(UnsafeMutablePointer<ModelEngine>)

    /// Sets up the engine that was chosen for the image, or one that can replace it, and what goes over
    /// it.
    init(image: BlockImage, options: QueueOptions) throws(BlockError) {
        let bare: ActiveEngine
        if let model = options.model ?? options.disk.map({ ModelKernel($0, image: image) }) {
            guard image.files.count == 1 else {
                throw BlockError(
                    .engineUnavailable, operation: .open, image: image.path,
                    detail: "a model of a disk takes the place of one file, and the image has "
                        + "\(image.files.count)")
            }
            bare = .model(place(try ModelEngine(model, image: image, depth: options.depth)))
        } else {
            bare = try image.selection.openEngine { (kind) throws(BlockError) in
                switch kind {
                case .ioURing:
                    .ioURing(place(try URingEngine(image: image, options: options)))
                case .linuxAIO:
                    .linuxAIO(place(try LinuxAIOEngine(image: image, options: options)))
                case .threadPool:
                    .threadPool(place(try ThreadPoolEngine(image: image, options: options)))
                }
            }
        }
        if options.faults != nil || options.checksEngineRequests {
            self = .decorated(place(DecoratedEngine(bare, image: image, options: options)))
        } else {
            self = bare
        }
    }

    func submit(_ pending: inout RequestFIFO, finished: inout RequestFIFO) {
        switch self {
        case .ioURing(let engine): engine.pointee.submit(&pending, finished: &finished)
        case .linuxAIO(let engine): engine.pointee.submit(&pending, finished: &finished)
        case .threadPool(let engine): engine.pointee.submit(&pending, finished: &finished)
        case .decorated(let engine): engine.pointee.submit(&pending, finished: &finished)
        case .model(let engine): engine.pointee.submit(&pending, finished: &finished)
        }
    }

    func reap(
        minimum: Int, limit: WaitLimit, pending: inout RequestFIFO, finished: inout RequestFIFO
    ) -> WaitEnd {
        switch self {
        case .ioURing(let engine):
            engine.pointee.reap(
                minimum: minimum, limit: limit, pending: &pending, finished: &finished)
        case .linuxAIO(let engine):
            engine.pointee.reap(
                minimum: minimum, limit: limit, pending: &pending, finished: &finished)
        case .threadPool(let engine):
            engine.pointee.reap(
                minimum: minimum, limit: limit, pending: &pending, finished: &finished)
        case .decorated(let engine):
            engine.pointee.reap(
                minimum: minimum, limit: limit, pending: &pending, finished: &finished)
        case .model(let engine):
            engine.pointee.reap(
                minimum: minimum, limit: limit, pending: &pending, finished: &finished)
        }
    }

    func cancel(_ request: RequestPointer) {
        switch self {
        case .ioURing(let engine): engine.pointee.cancel(request)
        case .linuxAIO(let engine): engine.pointee.cancel(request)
        case .threadPool(let engine): engine.pointee.cancel(request)
        case .decorated(let engine): engine.pointee.cancel(request)
        case .model(let engine): engine.pointee.cancel(request)
        }
    }

    var inFlight: Int {
        switch self {
        case .ioURing(let engine): engine.pointee.inFlight
        case .linuxAIO(let engine): engine.pointee.inFlight
        case .threadPool(let engine): engine.pointee.inFlight
        case .decorated(let engine): engine.pointee.inFlight
        case .model(let engine): engine.pointee.inFlight
        }
    }

    var descriptor: CInt {
        switch self {
        case .ioURing(let engine): engine.pointee.descriptor
        case .linuxAIO(let engine): engine.pointee.descriptor
        case .threadPool(let engine): engine.pointee.descriptor
        case .decorated(let engine): engine.pointee.descriptor
        case .model(let engine): engine.pointee.descriptor
        }
    }

    var wakeEvent: WakeEvent {
        switch self {
        case .ioURing(let engine): engine.pointee.wakeEvent
        case .linuxAIO(let engine): engine.pointee.wakeEvent
        case .threadPool(let engine): engine.pointee.wakeEvent
        case .decorated(let engine): engine.pointee.wakeEvent
        case .model(let engine): engine.pointee.wakeEvent
        }
    }

    func wake() { wakeEvent.signal() }

    var inlineCompletions: UInt64 {
        switch self {
        case .ioURing(let engine): engine.pointee.inlineCompletions
        case .linuxAIO(let engine): engine.pointee.inlineCompletions
        case .threadPool(let engine): engine.pointee.inlineCompletions
        case .decorated(let engine): engine.pointee.inlineCompletions
        case .model(let engine): engine.pointee.inlineCompletions
        }
    }

    var pollerOperations: UInt64 {
        switch self {
        case .ioURing(let engine): engine.pointee.pollerOperations
        case .linuxAIO(let engine): engine.pointee.pollerOperations
        case .threadPool(let engine): engine.pointee.pollerOperations
        case .decorated(let engine): engine.pointee.pollerOperations
        case .model(let engine): engine.pointee.pollerOperations
        }
    }

    /// Shuts the engine down and frees its place.
    func destroy() {
        switch self {
        case .ioURing(let engine): remove(engine)
        case .linuxAIO(let engine): remove(engine)
        case .threadPool(let engine): remove(engine)
        case .decorated(let engine): remove(engine)
        case .model(let engine): remove(engine)
        }
    }
}

private func place<E: Engine & ~Copyable>(_ engine: consuming E) -> UnsafeMutablePointer<E> {
    let pointer = UnsafeMutablePointer<E>.allocate(capacity: 1)
    pointer.initialize(to: engine)
    return pointer
}

private func remove<E: Engine & ~Copyable>(_ engine: UnsafeMutablePointer<E>) {
    engine.pointee.shutDown()
    engine.deinitialize(count: 1)
    engine.deallocate()
}
