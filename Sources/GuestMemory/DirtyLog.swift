import BlockHost
public import CGuestMemory
import Glibc
public import Synchronization

// @safe: pages are limited to those of the log, whose bitmaps are freed with it.
/// Records which pages of a ``GuestRAM`` have been written, for several consumers, and which pages
/// hold code that an emulator has translated.
///
/// Safe to share, because all bits are atomic (`@unchecked`: the pointer to them is constant). Any
/// thread may mark pages while another takes them. A page is marked after it was written. A
/// consumer that takes a page and then reads it finds the bytes that made it dirty, or newer ones.
///
/// A mark first checks whether any consumer is active, without a memory barrier while none is. A
/// consumer that starts makes all threads of the process pass a barrier instead, with
/// membarrier(2). The first ``GuestRAM`` registers the process for membarrier(2), which is fastest
/// while the process has one thread. Where membarrier(2) is refused, for example by a seccomp
/// filter, each mark executes a barrier.
@safe public final class DirtyLog: @unchecked Sendable {
    /// Pages of ``GuestRAM/pageSize`` bytes.
    public let pageCount: Int

    /// Bit n: consumer n wants pages. Bit `codeBit`: some page holds translated code. Bit
    /// `fenceBit`: a mark needs a memory barrier before it looks at the other bits.
    @usableFromInline let active: Atomic<UInt8>
    /// Every thread that marks knows of `codeBit`, which stays.
    private let isCodeKnown = Atomic(false)
    private let bitmaps: UnsafeMutablePointer<Atomic<UInt64>>
    private let wordCount: Int
    private let codeHook = unsafe Atomic<UnsafeRawPointer?>(nil)
    /// Behind that of the last consumer. (To count them all allocates, unless it is optimised.)
    private static var codeBit: Int { DirtyConsumer.display.rawValue + 1 }
    private static var fenceBit: Int { 7 }

    init(pageCount: Int) throws(GuestMemoryError) {
        self.pageCount = pageCount
        wordCount = (pageCount + 63) / 64
        // calloc(3): pages of a log that nobody uses are never touched. The size may be somebody
        // else's choice, who maps a sparse file.
        guard let bytes = unsafe calloc((Self.codeBit + 1) * wordCount, 8) else {
            throw GuestMemoryError(.system, errno: ENOMEM)
        }
        unsafe bitmaps = unsafe bytes.assumingMemoryBound(to: Atomic<UInt64>.self)
        active = Atomic(cguestmemory_register_barrier() ? 0 : 1 << UInt8(Self.fenceBit))
    }

    deinit {
        unsafe free(bitmaps)
        if let hook = unsafe codeHook.load(ordering: .relaxed) {
            unsafe Unmanaged<CodeHook>.fromOpaque(hook).release()
        }
    }

    // MARK: Consumers

    /// Starts to log written pages for `consumer`. When this returns, every write that is not
    /// logged is visible to this thread. To start twice is harmless.
    public func start(_ consumer: DirtyConsumer) {
        active.bitwiseOr(1 << UInt8(consumer.rawValue), ordering: .sequentiallyConsistent)
        settleWritesOfOthers()
    }

    /// To be called after a bit of `active` was set: when this returns, all bytes are visible whose
    /// writers looked at `active` before the bit was set.
    private func settleWritesOfOthers() {
        let fence: UInt8 = 1 << UInt8(Self.fenceBit)
        if active.load(ordering: .relaxed) & fence != 0 || cguestmemory_barrier() {
            return Self.settleWrites()
        }
        // Refused now, and allowed when this log was made. Bytes reach memory within microseconds.
        usleep(10_000)
        Self.settleWrites()
    }

    /// Stops the logging for `consumer` and clears its bitmap.
    public func stop(_ consumer: DirtyConsumer) {
        active.bitwiseAnd(~(1 << UInt8(consumer.rawValue)), ordering: .sequentiallyConsistent)
        take(consumer) { _ in }
    }

    /// Calls `body` with each run of dirty pages of `consumer` in `pages`, in ascending order, and
    /// marks them clean. `nil` stands for all pages.
    public func take(
        _ consumer: DirtyConsumer, in pages: Range<Int>? = nil, _ body: (Range<Int>) -> Void
    ) {
        visit(consumer, in: pages, clearing: true, body)
    }

    /// Calls `body` like ``take(_:in:_:)``, but leaves the pages dirty.
    public func peek(
        _ consumer: DirtyConsumer, in pages: Range<Int>? = nil, _ body: (Range<Int>) -> Void
    ) {
        visit(consumer, in: pages, clearing: false, body)
    }

    private func visit(
        _ consumer: DirtyConsumer, in pages: Range<Int>?, clearing: Bool,
        _ body: (Range<Int>) -> Void
    ) {
        let pages = (pages ?? 0..<pageCount).clamped(to: 0..<pageCount)
        var run = pages.lowerBound..<pages.lowerBound
        Self.forEachWord(in: pages) { word, mask in
            let cell = unsafe bitmaps + (consumer.rawValue * wordCount + word)
            var bits = unsafe cell.pointee.load(ordering: .acquiring) & mask
            if clearing && bits != 0 {
                bits = unsafe cell.pointee.bitwiseAnd(~mask, ordering: .acquiringAndReleasing)
                    .oldValue
                bits &= mask
                // They are clear before their pages are read.
                Self.settleWrites()
            }
            while bits != 0 {
                let page = word * 64 + bits.trailingZeroBitCount
                bits &= bits &- 1
                if page == run.upperBound {
                    run = run.lowerBound..<page + 1
                } else {
                    if !run.isEmpty { body(run) }
                    run = page..<page + 1
                }
            }
        }
        if !run.isEmpty { body(run) }
    }

    // MARK: Marking

    /// Marks the pages of the `length` bytes that begin at byte `offset`. Code that writes the
    /// memory without this library, such as a vCPU, calls it after the write.
    @inline(__always)
    @inlinable
    public func mark(offset: Int, length: Int) {
        // The processor may still look before the bytes are visible: `settleWritesOfOthers`.
        cguestmemory_compiler_barrier()
        if active.load(ordering: .relaxed) != 0 { markActive(offset: offset, length: length) }
    }

    @usableFromInline
    func markActive(offset: Int, length: Int) {
        Self.settleWrites()
        markPages(offset: offset, length: length)
    }

    /// Orders writes to guest memory before the look at the bitmaps: a page whose bit is found set
    /// may be taken and read right then, and must not be read as it was before. For whoever takes
    /// pages, orders the clearing of their bits before they are read.
    fileprivate static func settleWrites() {
        atomicMemoryFence(ordering: .sequentiallyConsistent)
    }

    fileprivate func markPages(offset: Int, length: Int) {
        let size = pageCount << 12
        guard length > 0, offset >= 0, offset < size else { return }
        let consumers = active.load(ordering: .relaxed)
        let last = offset + (min(length, size - offset) - 1)
        let pages = offset >> 12..<(last >> 12) + 1
        for consumer in 0..<Self.codeBit where consumers & (1 << UInt8(consumer)) != 0 {
            Self.forEachWord(in: pages) { word, mask in
                let cell = unsafe bitmaps + (consumer * wordCount + word)
                // A load first: pages that are dirty already cost no locked instruction.
                if unsafe cell.pointee.load(ordering: .relaxed) & mask != mask {
                    unsafe cell.pointee.bitwiseOr(mask, ordering: .releasing)
                }
            }
        }
        if consumers & (1 << UInt8(Self.codeBit)) != 0 { invalidateCode(in: pages) }
    }

    @inline(__always)
    private static func forEachWord(in pages: Range<Int>, _ body: (Int, UInt64) -> Void) {
        var page = pages.lowerBound
        while page < pages.upperBound {
            let end = Swift.min((page | 63) + 1, pages.upperBound)
            let mask = (UInt64.max >> UInt64(64 - (end - page))) << UInt64(page & 63)
            body(page >> 6, mask)
            page = end
        }
    }

    /// Marks many stretches that were written before it was made.
    struct Marker {
        let log: UnretainedReference<DirtyLog>
        /// When only one consumer wants pages, its own.
        let bitmap: Bitmap?

        init(_ log: UnretainedReference<DirtyLog>) {
            DirtyLog.settleWrites()
            self.log = log
            bitmap = log.with { log in
                let wanted = log.active.load(ordering: .relaxed) & ~(1 << UInt8(DirtyLog.fenceBit))
                let isOne = wanted & (wanted &- 1) == 0 && wanted < 1 << UInt8(DirtyLog.codeBit)
                guard wanted != 0, isOne else { return nil }
                return unsafe Bitmap(
                    words: log.bitmaps + wanted.trailingZeroBitCount * log.wordCount)
            }
        }

        /// Marks a stretch that is inside the memory.
        func mark(offset: Int, length: Int) {
            log.with { $0.markPages(offset: offset, length: length) }
        }
    }

    // @safe: a marker exists while its memory is mapped, and marks only pages of it.
    /// A bit for each page.
    @safe struct Bitmap {
        fileprivate let words: UnsafeMutablePointer<Atomic<UInt64>>

        /// Marks a page that is inside the memory.
        @inline(__always)
        func mark(page: UInt64) {
            let word = unsafe words + Int(truncatingIfNeeded: page &>> 6)
            if unsafe word.pointee.load(ordering: .relaxed) &>> page & 1 == 0 { set(page) }
        }

        @inline(never)
        private func set(_ page: UInt64) {
            let word = unsafe words + Int(truncatingIfNeeded: page &>> 6)
            unsafe word.pointee.bitwiseOr(1 &<< page, ordering: .releasing)
        }
    }

    // MARK: Translated code

    private final class CodeHook {
        let body: @Sendable (Range<Int>) -> Void
        init(_ body: @escaping @Sendable (Range<Int>) -> Void) { self.body = body }
    }

    /// Sets the function that is called when pages of ``protectCode(_:)`` are written, with each
    /// run of such pages. It runs on the thread that marks the write, after the bytes are in
    /// memory. To be called once, before the first page is protected; a second call ends the
    /// program.
    public func onCodeWritten(_ body: @escaping @Sendable (Range<Int>) -> Void) {
        let hook = unsafe Unmanaged.passRetained(CodeHook(body)).toOpaque()
        let (wasFirst, _) = unsafe codeHook.compareExchange(
            expected: nil, desired: UnsafeRawPointer(hook), ordering: .releasing)
        precondition(wasFirst, "the hook for translated code is set once")
    }

    /// Protects pages whose code is about to be translated: the next write to one of them calls the
    /// function of ``onCodeWritten(_:)`` and removes the protection of that page. To be called
    /// before the code is read. When this returns, every earlier write that calls no function is
    /// visible to this thread.
    public func protectCode(_ pages: Range<Int>) {
        Self.forEachWord(in: pages.clamped(to: 0..<pageCount)) { word, mask in
            unsafe bitmaps[Self.codeBit * wordCount + word].bitwiseOr(
                mask, ordering: .sequentiallyConsistent)
        }
        active.bitwiseOr(1 << UInt8(Self.codeBit), ordering: .sequentiallyConsistent)
        // Emulators come here for each page; membarrier(2) is needed for the first one only.
        if isCodeKnown.load(ordering: .acquiring) { return Self.settleWrites() }
        settleWritesOfOthers()
        isCodeKnown.store(true, ordering: .releasing)
    }

    private func invalidateCode(in pages: Range<Int>) {
        guard let pointer = unsafe codeHook.load(ordering: .acquiring) else { return }
        let hook = unsafe Unmanaged<CodeHook>.fromOpaque(pointer)
        Self.forEachWord(in: pages) { word, mask in
            let cell = unsafe bitmaps + (Self.codeBit * wordCount + word)
            guard unsafe cell.pointee.load(ordering: .relaxed) & mask != 0 else { return }
            let hit = unsafe cell.pointee.bitwiseAnd(~mask, ordering: .acquiringAndReleasing)
                .oldValue
            var bits = hit & mask
            while bits != 0 {
                let start = bits.trailingZeroBitCount
                let length = (~(bits >> UInt64(start))).trailingZeroBitCount
                unsafe hook._withUnsafeGuaranteedRef {
                    $0.body(word * 64 + start..<word * 64 + start + length)
                }
                bits &= length + start == 64 ? 0 : UInt64.max << UInt64(start + length)
            }
        }
    }
}
