import Glibc

/// A disk in memory with a volatile write cache and a power switch, for tests: what is written and
/// not made durable may survive a power cut or not, each sector for itself and in any order.
/// Sectors of 512 bytes are never torn. Given to a queue by ``QueueOptions/disk``, it takes the
/// place of the image's engine; the image then only lends its size.
///
/// A write is durable when it was made with ``WriteDurability/forceUnitAccess`` and has completed,
/// or when it had completed before a flush was submitted that has completed. Safe to share.
public final class VolatileDisk: @unchecked Sendable {
    /// Bytes that are written as a whole or not at all.
    public static let sectorSize = 512

    private let lock = PthreadMutex()
    private let state: UnsafeMutablePointer<State>

    private struct State {
        /// What survives in any case.
        var stable: [UInt8]
        /// What reads return.
        var visible: [UInt8]
        /// Writes of single sectors that are in the cache, oldest first.
        var cache: [CachedSector] = []
        var sequence: UInt64 = 0
        var random: SplitMix64
    }

    private struct CachedSector {
        let number: UInt64
        let sector: Int
        let content: [UInt8]
    }

    /// A disk of zeroes. `seed` determines in which order requests are done and what a cut spares.
    public init(size: Int, seed: UInt64) {
        state = .allocate(capacity: 1)
        state.initialize(
            to: State(
                stable: [UInt8](repeating: 0, count: size),
                visible: [UInt8](repeating: 0, count: size), random: SplitMix64(state: seed)))
    }

    deinit {
        state.deinitialize(count: 1)
        state.deallocate()
    }

    /// Cuts the power: of each sector's cached writes one or none survives. Returns what the disk
    /// holds then, which is also what it goes on with.
    public func cutPower() -> [UInt8] {
        withLock { state in
            var bySector: [Int: [CachedSector]] = [:]
            for write in state.cache { bySector[write.sector, default: []].append(write) }
            for (sector, writes) in bySector.sorted(by: { $0.key < $1.key }) {
                let choice = Int(state.random.next() % UInt64(writes.count + 1))
                guard choice < writes.count else { continue }
                let start = sector * Self.sectorSize
                state.stable.replaceSubrange(
                    start..<start + Self.sectorSize, with: writes[choice].content)
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
}

// What the engine side does.
extension VolatileDisk {
    /// Numbers the writes done so far: a flush submitted now covers those.
    var sequence: UInt64 { withLock { $0.sequence } }

    func random(below limit: Int) -> Int { withLock { Int($0.random.next() % UInt64(limit)) } }

    func read(_ order: EngineOrder) -> Int64 {
        withLock { state in
            var position = Int(order.position)
            for index in 0..<Int(order.vectorCount) {
                let element = order.vectors![index]
                let count = min(element.iov_len, state.visible.count - position)
                guard count > 0 else { break }
                state.visible.withUnsafeBytes {
                    element.iov_base.copyMemory(
                        from: $0.baseAddress! + position, byteCount: count)
                }
                position += count
            }
            return Int64(position) - Int64(order.position)
        }
    }

    /// `order` covers whole sectors.
    func write(_ order: EngineOrder) -> Int64 {
        var data: [UInt8] = []
        for index in 0..<Int(order.vectorCount) {
            let element = order.vectors![index]
            data += UnsafeRawBufferPointer(start: element.iov_base, count: element.iov_len)
        }
        return withLock { state in
            state.sequence += 1
            let first = Int(order.position) / Self.sectorSize
            for index in 0..<data.count / Self.sectorSize {
                let content = Array(data[index * Self.sectorSize..<(index + 1) * Self.sectorSize])
                let start = Int(order.position) + index * Self.sectorSize
                state.visible.replaceSubrange(start..<start + Self.sectorSize, with: content)
                if order.isDurable {
                    state.stable.replaceSubrange(start..<start + Self.sectorSize, with: content)
                    state.cache.removeAll { $0.sector == first + index }
                } else {
                    state.cache.append(
                        CachedSector(
                            number: state.sequence, sector: first + index, content: content))
                }
            }
            return Int64(data.count)
        }
    }

    func flush(through number: UInt64) {
        withLock { state in
            for write in state.cache where write.number <= number {
                let start = write.sector * Self.sectorSize
                state.stable.replaceSubrange(
                    start..<start + Self.sectorSize, with: write.content)
            }
            state.cache.removeAll { $0.number <= number }
        }
    }
}
