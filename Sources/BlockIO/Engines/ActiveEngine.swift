import BlockHost

/// The engine of a queue. The payloads are plain pointers, so that a `switch` copies no reference
/// count.
///
/// This file is the list of the local engines: ``LocalEngine/all``, a case each, and a line in each of the
/// three switches. Submitting and reaping switch, because a call through an existential for each batch
/// costs more; everything else is called seldom and goes through ``OpenEngine``.
enum ActiveEngine {
    case ioURing(StablePointer<URingEngine>)
    case linuxAIO(StablePointer<LinuxAIOEngine>)
    case threadPool(StablePointer<ThreadPoolEngine>)
    /// An engine that is not in the list: that of a back end, or a decorator.
    case custom(StablePointer<any OpenEngine>)
}

extension LocalEngine {
    /// Every local engine. Of two that suit an image equally well, the first is preferred.
    static let all: [LocalEngine] = [.ioURing, .linuxAIO, .threadPool]
}

extension ActiveEngine {
    func submit(_ pending: inout RequestFIFO, answered: inout RequestFIFO) {
        switch self {
        case .ioURing(let engine): engine.pointee.submit(&pending, answered: &answered)
        case .linuxAIO(let engine): engine.pointee.submit(&pending, answered: &answered)
        case .threadPool(let engine): engine.pointee.submit(&pending, answered: &answered)
        case .custom(let engine): engine.pointee.submit(&pending, answered: &answered)
        }
    }

    func reap(
        minimum: Int, limit: WaitLimit, pending: inout RequestFIFO, answered: inout RequestFIFO
    ) -> WaitEnd {
        switch self {
        case .ioURing(let engine):
            engine.pointee.reap(
                minimum: minimum, limit: limit, pending: &pending, answered: &answered)
        case .linuxAIO(let engine):
            engine.pointee.reap(
                minimum: minimum, limit: limit, pending: &pending, answered: &answered)
        case .threadPool(let engine):
            engine.pointee.reap(
                minimum: minimum, limit: limit, pending: &pending, answered: &answered)
        case .custom(let engine):
            engine.pointee.reap(
                minimum: minimum, limit: limit, pending: &pending, answered: &answered)
        }
    }

    /// The engine without its type, as whatever is put over it sees it.
    var open: any OpenEngine {
        switch self {
        case .ioURing(let engine): EngineBox(engine)
        case .linuxAIO(let engine): EngineBox(engine)
        case .threadPool(let engine): EngineBox(engine)
        case .custom(let engine): engine.pointee
        }
    }
}

extension ActiveEngine {
    /// Sets up what serves a queue: the image's engine, and the decorators over it.
    init(image: BlockImage, options: QueueOptions) throws(BlockError) {
        let base = try image.selection.openEngine(image, options)
        if !options.ring.isPlain, base.isNotRing {
            base.destroy()
            throw BlockError(
                .invalidOption, operation: .open, image: image.path,
                detail:
                    "the options of QueueOptions.ring are for io_uring, and the engine of the image is "
                    + "\(image.engine); see BlockImage.engineReport")
        }
        guard !options.decorators.isEmpty else {
            self = base
            return
        }
        var engine = base.open
        base.freeBox()
        for decorator in options.decorators.reversed() {
            engine = decorator.decorate(engine, of: image)
        }
        self.init(engine)
    }

    private var isNotRing: Bool {
        if case .ioURing = self { false } else { true }
    }

    /// An engine that is not in the list.
    init(_ engine: any OpenEngine) {
        self = .custom(StablePointer(allocating: engine))
    }

    func cancel(_ request: RequestPointer) { open.cancel(request) }

    var descriptor: CInt { open.descriptor }

    var wakeEvent: WakeEvent { open.wakeEvent }

    /// Makes the descriptor readable, by the queue's own thread.
    @inline(never)
    func wake() { wakeEvent.signalToSelf() }

    func openToWakes() { open.openToWakes() }

    @inline(never)
    func setDescriptorWatched(_ isWatched: Bool) { open.setDescriptorWatched(isWatched) }

    /// Has the kernel keep memory ready for transfers, in place of what it kept before.
    func registerMemory(_ memory: RegisteredMemory, of image: BlockImage) throws(BlockError) {
        guard case .ioURing(let engine) = self else {
            throw BlockError(
                .unsupported, operation: .open, image: image.path,
                detail:
                    "memory is registered with io_uring, and the queue's engine is \(image.engine)"
                    + " or has a decorator; see BlockImage.engineReport")
        }
        let error = engine.pointee.registerMemory(memory)
        guard error == 0 else {
            throw BlockError(
                .engineUnavailable, errno: -error, operation: .open, image: image.path,
                detail: RegisteredMemory.refusal(errno: -error))
        }
    }

    var inlineCompletions: UInt64 { open.inlineCompletions }

    var pollerOperations: UInt64 { open.pollerOperations }

    /// Shuts the engine down and frees its memory.
    func destroy() {
        open.close()
        freeBox()
    }

    /// Frees what is around an engine that is not in the list; the engine itself stays as it is.
    private func freeBox() {
        if case .custom(let box) = self {
            // The pipeline has no other copy, and makes no call after `destroy`.
            unsafe box.destroy()
        }
    }
}
