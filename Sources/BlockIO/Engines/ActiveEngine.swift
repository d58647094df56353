/// The engine of a queue. The payloads are plain pointers, so that a `switch` copies no reference
/// count.
///
/// This file is the list of the local engines: ``LocalEngine/all``, a case each, and a line in each of the
/// three switches. Submitting and reaping switch, because a call through an existential for each batch
/// costs more; everything else is rare and goes through ``EnginePlace``.
enum ActiveEngine {
    case ioURing(UnsafeMutablePointer<URingEngine>)
    case linuxAIO(UnsafeMutablePointer<LinuxAIOEngine>)
    case threadPool(UnsafeMutablePointer<ThreadPoolEngine>)
    /// An engine that is not in the list: that of a back end, or a decorator.
    case custom(UnsafeMutablePointer<any EnginePlace>)
}

extension LocalEngine {
    /// Every local engine. Of two that suit an image equally well, the first is preferred.
    static let all: [LocalEngine] = [.ioURing, .linuxAIO, .threadPool]
}

extension ActiveEngine {
    func submit(_ pending: inout RequestFIFO, finished: inout RequestFIFO) {
        switch self {
        case .ioURing(let engine): engine.pointee.submit(&pending, finished: &finished)
        case .linuxAIO(let engine): engine.pointee.submit(&pending, finished: &finished)
        case .threadPool(let engine): engine.pointee.submit(&pending, finished: &finished)
        case .custom(let engine): engine.pointee.submit(&pending, finished: &finished)
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
        case .custom(let engine):
            engine.pointee.reap(
                minimum: minimum, limit: limit, pending: &pending, finished: &finished)
        }
    }

    private var place: any EnginePlace {
        switch self {
        case .ioURing(let engine): engine
        case .linuxAIO(let engine): engine
        case .threadPool(let engine): engine
        case .custom(let engine): engine.pointee
        }
    }
}

extension ActiveEngine {
    /// Sets up what serves a queue: the image's engine, or that of a back end in its place, and the
    /// decorators over it.
    init(image: BlockImage, options: QueueOptions) throws(BlockError) {
        let bare: ActiveEngine
        if let model = options.model ?? options.disk.map({ ModelKernel($0, image: image) }) {
            bare = .init(try ModelEngine(model, image: image, depth: options.depth))
        } else {
            bare = try image.selection.openEngine(image, options)
        }
        if options.faults != nil || options.checksEngineRequests {
            self = .init(DecoratedEngine(bare, image: image, options: options))
        } else {
            self = bare
        }
    }

    /// An engine of any type.
    init<Custom: Engine & ~Copyable>(_ engine: consuming Custom) {
        let pointer = UnsafeMutablePointer<any EnginePlace>.allocate(capacity: 1)
        pointer.initialize(to: UnsafeMutablePointer<Custom>.place(engine))
        self = .custom(pointer)
    }

    func cancel(_ request: RequestPointer) { place.cancel(request) }

    var inFlight: Int { place.inFlight }

    var descriptor: CInt { place.descriptor }

    var wakeEvent: WakeEvent { place.wakeEvent }

    func wake() { wakeEvent.signal() }

    var inlineCompletions: UInt64 { place.inlineCompletions }

    var pollerOperations: UInt64 { place.pollerOperations }

    /// Shuts the engine down and frees its place.
    func destroy() {
        place.remove()
        if case .custom(let engine) = self {
            engine.deinitialize(count: 1)
            engine.deallocate()
        }
    }
}
