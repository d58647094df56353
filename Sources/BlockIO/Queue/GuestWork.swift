/// How far a guest's request has come in an image with a format.
///
/// | state | event | next state |
/// |---|---|---|
/// | asking | the format says where bytes are, and there is room for a child | asking |
/// | asking | there is no room, or the format wants requests of its own first | waiting |
/// | asking | the whole request is answered, and children are under way | waiting |
/// | asking | the whole request is answered, and no child is under way | completed |
/// | asking | many answers in a row have needed no child | postponed to a later visit to the engine |
/// | postponed | the visit | asking |
/// | asking | the answer cannot be followed, or the request was cancelled | waiting, or completed |
/// | waiting | a child of the guest's bytes completes | asking |
/// | waiting | the last child that the format wanted completes | asking |
/// | waiting | a child fails, or the request is cancelled | waiting until all children have completed |
struct GuestWork {
    /// What the queue goes through for a request.
    enum Stage {
        /// The format is asked about the request, stretch by stretch.
        case stretches
        /// The format is asked what it has to write before a flush.
        case metadata
        /// The files are flushed.
        case files
        /// Nothing more is asked: the request completes when its children have completed.
        case ending
    }

    var stage: Stage {
        didSet { if stage == .metadata { isFlush = true } }
    }
    /// What the format is asked about, or was asked about last, is a flush: the request itself, or that of
    /// the metadata which a durable write leaves behind.
    private(set) var isFlush: Bool
    /// The oldest and the latest child under way.
    var firstChild: RequestPointer?
    var lastChild: RequestPointer?
    /// How many there are.
    var children = 0
    /// Those of them that the format wanted. It is asked again when they have completed.
    var formatChildren = 0
    /// The queue is asking now: children that end at once are looked at there.
    var isAsking = false
    /// It is among those that may go on.
    var isRunnable = false

    /// How many bytes of the request have been answered about.
    var answered: UInt64 = 0
    /// Where the next byte is in the list of the request.
    var cursor = ListCursor()
    /// How often the format was asked about the present stretch, and what it noted.
    var rounds = 0
    var step: UInt = 0

    /// The first byte of the request that was not moved, of those that were tried; for the number of bytes
    /// moved before it.
    var firstLost: UInt64 = .max
    var failure: BlockError.Code?
    var errno: CInt = 0
    /// How often the format had changed a file (``QueueCore/formatChanges``) when the files began to be
    /// flushed; `nil` before that.
    var changesToFlush: UInt64?
    /// Of the ranges so far; `nil` when there was none.
    var effect: RangeEffect?

    init(_ stage: Stage) {
        self.stage = stage
        isFlush = stage == .metadata
    }

    /// A range has an effect of its own: together they have it if it is the same for all.
    mutating func add(_ other: RangeEffect) {
        effect = effect == nil || effect == other ? other : .unknown
    }

    /// Keeps the first failure, and ends what the format is asked.
    mutating func fail(_ code: BlockError.Code, _ errno: CInt) {
        stage = .ending
        guard failure == nil else { return }
        failure = code
        self.errno = errno
    }
}
