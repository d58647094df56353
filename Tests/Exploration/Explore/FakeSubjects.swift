import BlockIO
import BlockIOTesting
import CFakeKernel
import Exploration
import Glibc

/// The kernel that the fake's functions ask. One thread explores.
private nonisolated(unsafe) var kernel: ModelKernel!

extension Subject {
    static let all = [
        model, fake("io_uring", .ioURing, .owned), fake("io_uring-shared", .ioURing, .shared),
        fake("io_uring-late", .ioURing, .owned, isLate: true),
        fake("libaio", .linuxAIO, .owned), fake("threads", .threadPool, .owned),
    ]

    /// A real engine over the fake of the functions that it calls.
    private static func fake(
        _ name: String, _ engine: EngineKind, _ threading: QueueThreading, isLate: Bool = false
    ) -> Subject {
        Subject(
            name: name, engine: engine, threading: threading,
            open: { image, model, options in
                kernel = model
                fake_uring_set_late(isLate)
                hooks.withUnsafePointer { fake_attach($0, image.path, model.file) }
                return try BlockQueue(image, options)
            },
            leave: { fake_detach() }, publish: { fake_publish() }, refresh: { fake_refresh() })
    }

    private static let hooks = Hooks()
}

/// The fake's hooks at an address that stays.
private struct Hooks: @unchecked Sendable {
    private let place: UnsafeMutablePointer<fake_hooks>

    init() {
        place = .allocate(capacity: 1)
        place.initialize(
            to: fake_hooks(
                accept: { CInt(kernel.accept(Int($0))) },
                begin: { kernel.begin(ModelTag($0), ModelSubmission($1!.pointee)) },
                cancel: { kernel.cancel(ModelTag($0)) },
                in_flight: { CInt(kernel.inFlight) },
                end: { kernel.answer(from: Int($0), through: Int($1)) },
                take: { tag, result in
                    guard let next = kernel.takeAnswered() else { return false }
                    tag!.pointee = next.tag.address
                    result!.pointee = next.result
                    return true
                },
                perform: { kernel.makeBlockingCall(ModelSubmission($0!.pointee)) },
                passes: { kernel.chooser.passesTime() },
                hang: { kernel.chooser.reportHang(String(cString: $0!)) }))
    }

    func withUnsafePointer(_ body: (UnsafePointer<fake_hooks>) -> Void) { body(place) }
}

extension ModelSubmission {
    init(_ operation: fake_operation) {
        // A descriptor without O_DIRECT beside one that has it takes the bytes behind the last block.
        let isBeside = !operation.is_direct && !kernel.isBuffered
        switch operation.kind {
        case FAKE_READ: self.init(.read)
        case FAKE_WRITE: self.init(isBeside ? .bufferedWrite : .write)
        case FAKE_SYNC:
            self.init(.synchronize)
            usesBufferedDescriptor = isBeside
        case FAKE_ZERO: self.init(.zero)
        case FAKE_TRUNCATE: self.init(.truncate)
        default: preconditionFailure("the fake kernel has no operation \(operation.kind.rawValue)")
        }
        isDurable = operation.is_durable
        list = IOVectorList(operation.vectors, count: Int(operation.vector_count))
        position = Int(operation.position)
        length = Int(operation.length)
    }
}
