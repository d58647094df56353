import BlockIO
import Glibc

/// The format of ``Stripes``. It reads its map page by page, by child requests, when a chunk is asked for.
final class StripedFormat: ImageFormat {
    /// Bytes of the map that are read at a time.
    private static let page = 512
    private static let entriesOfPage = page / 8

    let files: [HostFile]
    private let chunkCount: Int
    private let state: Locked<State>

    private struct State {
        var size: UInt64
        var questions = 0
        var abandoned = 0
        /// Pages of the map that have been read.
        var pages: [Int: [UInt64]] = [:]
        /// Memory of children under way, by the step of the question that they are for.
        var memory: [UInt: UnsafeMutableRawBufferPointer] = [:]
        var lastStep: UInt = 0
    }

    init(_ active: HostFile, _ path: String, _ options: OpenOptions) throws(BlockError) {
        var others = options
        others.caching = options.caching == .direct ? .buffered : .direct
        others.alignment = nil
        let partner = try HostFile.open(Pathname(path), others)
        files = [active, partner]
        // Before there is a queue, a format reads what it needs by itself.
        var size: UInt64 = 0
        let found = try? PlainFile(path, direct: false).contents(at: 0, 8)
        if let found { size = found.bytes.loadUnaligned(as: UInt64.self) }
        chunkCount = Int((size + UInt64(Stripes.chunk) - 1) / UInt64(Stripes.chunk))
        state = Locked(State(size: size))
    }

    deinit { state.withLock { state in for memory in state.memory.values { memory.deallocate() } } }

    var size: UInt64 { state.withLock { $0.size } }
    let capabilities: BlockImage.Capabilities = [
        .write, .flush, .durableWrite, .discard, .writeZeroes, .resize,
    ]
    var hasChangedMetadata: Bool { false }

    /// How often the format was asked something.
    var questions: Int { state.withLock { $0.questions } }
    /// How often it was told that it will not be asked again.
    var abandoned: Int { state.withLock { $0.abandoned } }

    func answer(_ question: inout FormatQuestion) -> FormatAnswer {
        state.withLock { $0.questions += 1 }
        return switch question.operation {
        case .flush: .done
        case .resize: answerResize(&question)
        default: answerStretch(&question)
        }
    }

    func abandon(_ question: FormatQuestion) {
        state.withLock { $0.abandoned += 1 }
        release(question.step)
    }

    private func release(_ step: UInt) {
        state.withLock { $0.memory.removeValue(forKey: step)?.deallocate() }
    }

    private func answerStretch(_ question: inout FormatQuestion) -> FormatAnswer {
        let chunk = Int(question.offset.byte) / Stripes.chunk
        let (page, index) = chunk.quotientAndRemainder(dividingBy: Self.entriesOfPage)
        guard let bits = entry(page, index, &question) else {
            let memory = makeMemory(Self.page, &question)
            let position = Stripes.mapStart + page * Self.page
            return .after([.init(.read(into: memory), file: 1, at: FilePosition(UInt64(position)))])
        }
        let inside = Int(question.offset.byte) % Stripes.chunk
        let count = UInt64(Stripes.chunk - inside)
        // What is nowhere cannot be written to.
        if bits == Stripes.Entry.nowhere {
            return question.operation == .write
                ? .failed(.unsupported, errno: 0) : .zeroes(count: count)
        }
        let entry = Stripes.Entry(bits: bits)
        return .bytes(
            file: entry.file, at: FilePosition(UInt64(entry.position) + UInt64(inside)),
            count: bits == .max ? 0 : count)
    }

    /// The new size goes into the header. It cannot be larger than when the image was opened.
    private func answerResize(_ question: inout FormatQuestion) -> FormatAnswer {
        if question.length > UInt64(chunkCount * Stripes.chunk) {
            return .failed(.unsupported, errno: 0)
        }
        if question.step == 0 {
            let memory = makeMemory(8, &question)
            memory.storeBytes(of: question.length.littleEndian, as: UInt64.self)
            return .after([.init(.write(from: .init(memory)), file: 1)])
        }
        release(question.step)
        let size = question.length
        state.withLock { $0.size = size }
        return .done
    }

    /// What the map says of a chunk; `nil` when that has to be read first.
    private func entry(_ page: Int, _ index: Int, _ question: inout FormatQuestion) -> UInt64? {
        let step = question.step
        question.step = 0
        return state.withLock { state in
            if let memory = state.memory.removeValue(forKey: step) {
                let numbers = memory.bindMemory(to: UInt64.self)
                state.pages[page] = numbers.map { UInt64(littleEndian: $0) }
                memory.deallocate()
            }
            return state.pages[page]?[index]
        }
    }

    private func makeMemory(
        _ count: Int, _ question: inout FormatQuestion
    ) -> UnsafeMutableRawBufferPointer {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 512)
        question.step = state.withLock { state in
            state.lastStep += 1
            state.memory[state.lastStep] = memory
            return state.lastStep
        }
        return memory
    }
}
