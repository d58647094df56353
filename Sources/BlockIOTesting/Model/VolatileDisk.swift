import BlockHost
import BlockIO
import Glibc

/// A disk in memory with a volatile write cache and a power switch, for tests: what is written and
/// not made durable may survive a power cut or not, each sector independently of the others.
/// Sectors of 512 bytes are never torn. `BlockImage/open(volatileDisk:_:)` opens an image on it.
///
/// A write is durable when it was made with `WriteDurability/forceUnitAccess` and has completed,
/// or when it had completed before a flush was submitted that has completed. Safe to share, although
/// unchecked: the state is under the lock.
public final class VolatileDisk: @unchecked Sendable {
    /// Bytes that are written as a whole or not at all.
    public static let sectorSize = 512
    /// The most bytes that a resize can give a disk, which is in memory: 1 GiB. More fails with EFBIG.
    public static let sizeLimit = 1 << 30

    private let lock = PthreadMutex()
    private let state: StablePointer<State>

    private struct State {
        /// What survives in any case.
        var stable: [UInt8]
        /// What reads return.
        var visible: [UInt8]
        /// Writes that are in the cache, oldest first.
        var cache: [CachedWrite] = []
        var sequence: UInt64 = 0
        var random: SplitMix64
    }

    private struct CachedWrite {
        let number: UInt64
        let start: Int
        var content: [UInt8]
        /// In the host's page cache, not in the device's.
        let isInPageCache: Bool

        var end: Int { start + content.count }

        /// Takes what `data` at `place` has of it.
        mutating func replace(by data: [UInt8], at place: Int) {
            let part = (start..<end).clamped(to: place..<place + data.count)
            if part.isEmpty { return }
            VolatileDisk.copy(
                data, part.lowerBound - place..<part.upperBound - place, to: &content,
                at: part.lowerBound - start)
        }
    }

    /// A disk of `size` bytes of zeroes. The size need not be a multiple of ``sectorSize``. `seed` determines in
    /// which order requests are carried out, and what a power cut leaves.
    public convenience init(size: Int, seed: UInt64) {
        self.init(size: size, fill: 0, seed: seed)
    }

    /// A disk of one byte, again and again.
    package convenience init(size: Int, fill: UInt8, seed: UInt64) {
        self.init(content: [UInt8](repeating: fill, count: size), seed: seed)
    }

    /// A disk that holds `content`, all of it stable, for instance that of a file, or what another disk was
    /// left with by ``cutPower()``.
    public init(content: [UInt8], seed: UInt64) {
        state = StablePointer(
            allocating: State(stable: content, visible: content, random: SplitMix64(seed: seed)))
    }

    deinit {
        unsafe state.destroy()
    }

    /// Cuts the power: of each sector's cached writes one or none survives. Returns what the disk
    /// holds then, which is also what it goes on with.
    public func cutPower() -> [UInt8] {
        withLock { state in
            var sectors = Set<Int>()
            for write in state.cache {
                sectors.formUnion(
                    write.start / Self.sectorSize...(write.end - 1) / Self.sectorSize)
            }
            for sector in sectors.sorted() {
                let start = sector * Self.sectorSize
                let range = start..<min(start + Self.sectorSize, state.stable.count)
                let writes = state.cache.filter {
                    $0.start < range.upperBound && range.lowerBound < $0.end
                }
                let choice = Int(state.random.next() % UInt64(writes.count + 1))
                guard choice < writes.count else { continue }
                // A write of a part of a sector stands on what was written before it.
                for write in writes[...choice] {
                    Self.overlay(write.start, write.content, on: &state.stable, within: range)
                }
            }
            state.cache = []
            state.visible = state.stable
            return state.stable
        }
    }

    private func withLock<Result>(_ body: (inout State) -> Result) -> Result {
        lock.lock()
        defer { lock.unlock() }
        return body(&state.pointee)
    }

    /// Copies a part of `source` to `target`, which has room for it at `place`. By raw memory, because a
    /// debug build copies elements one by one.
    private static func copy(
        _ source: [UInt8], _ part: Range<Int>, to target: inout [UInt8], at place: Int
    ) {
        unsafe source.withUnsafeBytes { source in
            unsafe target.withUnsafeMutableBytes { target in
                unsafe UnsafeMutableRawBufferPointer(rebasing: target[place..<place + part.count])
                    .copyMemory(from: UnsafeRawBufferPointer(rebasing: source[part]))
            }
        }
    }

    /// Copies the part of `content` that lies within `range`.
    private static func overlay(
        _ start: Int, _ content: [UInt8], on target: inout [UInt8], within range: Range<Int>
    ) {
        let part = range.clamped(to: start..<start + content.count)
        if part.isEmpty { return }
        copy(
            content, part.lowerBound - start..<part.upperBound - start, to: &target,
            at: part.lowerBound)
    }
}

// What the engine side does.
extension VolatileDisk {
    /// Where a write goes.
    enum Place {
        case deviceCache, pageCache, stable
        /// Nowhere that lasts: the kernel has dropped it.
        case dropped
    }

    /// Numbers the writes done so far: a flush submitted now covers those.
    var sequence: UInt64 { withLock { $0.sequence } }

    package var byteCount: Int { withLock { $0.visible.count } }

    /// What reads return.
    package var visible: [UInt8] { withLock { $0.visible } }

    /// What survives a power cut in any case.
    package var stable: [UInt8] { withLock { $0.stable } }

    var hasDirtyPages: Bool { withLock { $0.cache.contains { $0.isInPageCache } } }

    func random(below limit: Int) -> Int { withLock { Int($0.random.next() % UInt64(limit)) } }

    /// Reads at most `limit` bytes.
    func read(_ submission: ModelSubmission, limit: Int = .max) -> Int64 {
        withLock { state in
            var position = submission.position
            var outcome = VolatileMemory.Outcome.whole
            let end = min(state.visible.count, limit == .max ? .max : position + limit)
            for element in submission.list where outcome == .whole {
                let count = min(element.length, end - position)
                if count <= 0 { continue }
                guard let memory = unsafe element.base else {
                    outcome = .lost
                    continue
                }
                outcome = unsafe state.visible.withUnsafeBytes { bytes in
                    guard let base = bytes.baseAddress else { return .whole }
                    return unsafe VolatileMemory.copy(
                        to: memory, from: base + position, count: count)
                }
                position += count
            }
            // As the kernel says it of memory that has gone.
            return outcome == .whole ? Int64(position - submission.position) : -Int64(EFAULT)
        }
    }

    /// Writes at most `limit` bytes; beyond the end the disk grows.
    func write(_ submission: ModelSubmission, _ place: Place, limit: Int = .max) -> Int64 {
        var outcome = VolatileMemory.Outcome.whole
        var total = 0
        for element in submission.list { total += element.length }
        var data = unsafe [UInt8](unsafeUninitializedCapacity: total) { bytes, count in
            for element in submission.list where outcome == .whole && element.length > 0 {
                guard let base = bytes.baseAddress, let memory = unsafe element.base else {
                    outcome = .lost
                    continue
                }
                outcome = unsafe VolatileMemory.copy(
                    to: base + count, from: memory, count: element.length)
                count += outcome == .whole ? element.length : 0
            }
        }
        guard outcome == .whole else { return -Int64(EFAULT) }
        if limit < data.count { data.removeLast(data.count - limit) }
        put(data, at: submission.position, place)
        return Int64(data.count)
    }

    /// Changes what the disk holds, at once and for good, not by way of an image.
    package func replace(_ bytes: UnsafeRawBufferPointer, at place: Int) {
        unsafe put(Array(bytes), at: place, .stable)
    }

    /// Makes a range inside the disk read as zeroes.
    func zero(_ range: Range<Int>, _ place: Place) {
        let inside = range.clamped(to: 0..<byteCount)
        put([UInt8](repeating: 0, count: inside.count), at: inside.lowerBound, place)
    }

    private func put(_ data: [UInt8], at start: Int, _ place: Place) {
        if data.isEmpty { return }
        withLock { state in
            state.sequence += 1
            let range = start..<start + data.count
            let growth = range.upperBound - state.visible.count
            if growth > 0 {
                state.visible.append(contentsOf: repeatElement(0, count: growth))
                state.stable.append(contentsOf: repeatElement(0, count: growth))
            }
            Self.overlay(start, data, on: &state.visible, within: range)
            switch place {
            case .deviceCache, .pageCache:
                state.cache.append(
                    CachedWrite(
                        number: state.sequence, start: start, content: data,
                        isInPageCache: place == .pageCache))
            case .stable:
                Self.overlay(start, data, on: &state.stable, within: range)
                // An older write in the cache does not undo this one when it gets there.
                for index in state.cache.indices { state.cache[index].replace(by: data, at: start) }
            case .dropped: break
            }
        }
    }

    func flush(through number: UInt64) {
        withLock { state in
            for write in state.cache where write.number <= number {
                Self.overlay(
                    write.start, write.content, on: &state.stable, within: write.start..<write.end)
            }
            state.cache.removeAll { $0.number <= number }
        }
    }

    /// Forgets what is in the page cache and was not written back; reads go on to return it.
    func dropDirtyPages() {
        withLock { state in state.cache.removeAll { $0.isInPageCache } }
    }

    /// Makes the disk as large as this, at once and for good.
    package func truncate(to size: Int) {
        withLock { state in
            let growth = size - state.visible.count
            if growth > 0 {
                state.visible.append(contentsOf: repeatElement(0, count: growth))
                state.stable.append(contentsOf: repeatElement(0, count: growth))
                return
            }
            state.visible.removeLast(-growth)
            state.stable.removeLast(-growth)
            for index in state.cache.indices {
                let excess = state.cache[index].end - size
                let count = state.cache[index].content.count
                if excess > 0 { state.cache[index].content.removeLast(min(excess, count)) }
            }
            state.cache.removeAll { $0.content.isEmpty }
        }
    }
}
