import GuestMemory
import Glibc
import Synchronization

/// The memory that a peer has said may be reached ("Client memory access"), in an address space.
final class PeerMemory {
    /// A refused request, as an errno.
    struct Refusal: Error {
        let errno: CInt
        init(_ errno: CInt) { self.errno = errno }
    }

    /// One map.
    private struct Window {
        let address: GuestAddress
        let size: UInt64
        let mapped: MappedRegion
        /// The last address.
        var last: GuestAddress { address &+ (size - 1) }
    }

    /// Done when nothing uses the host memory of the maps that were taken away.
    final class Release: Sendable {
        private let left: Atomic<Int>
        fileprivate init(_ count: Int) { left = Atomic(count) }
        var isDone: Bool { left.load(ordering: .acquiring) == 0 }
        fileprivate func oneDone() { left.subtract(1, ordering: .acquiringAndReleasing) }
    }

    private let space: AddressSpace
    /// In the order of addresses; no two overlap.
    private var windows: [Window] = []
    /// Whether written pages are logged, of maps to come too.
    private var isLogging = false

    init(_ space: AddressSpace) { self.space = space }

    // MARK: Maps

    /// Adds a map. `memory` gives what is behind it when the range will do.
    func add(
        address: GuestAddress, size: UInt64, _ region: () throws(Refusal) -> MemoryRegion
    ) throws(Refusal) {
        guard size > 0, (address.rawValue | size) & (VFIOUser.Limit.pageSize - 1) == 0,
            let last = address.advanced(by: size - 1)
        else { throw Refusal(EINVAL) }
        let index = self.index(of: address)
        if index > 0, windows[index - 1].last >= address { throw Refusal(EEXIST) }
        if index < windows.count, windows[index].address <= last { throw Refusal(EEXIST) }
        guard windows.count < VFIOUser.Limit.maps else { throw Refusal(ENOSPC) }
        let region = try region()
        do throws(GuestMemoryError) {
            let mapped = try space.map(region, at: address)
            windows.insert(Window(address: address, size: size, mapped: mapped), at: index)
        } catch {
            throw Refusal(error)
        }
        if isLogging { region.memory?.dirtyLog.start(.migration) }
    }

    /// Takes a map away, which must be one that was added as it is.
    func remove(address: GuestAddress, size: UInt64) throws(Refusal) -> Release {
        let index = self.index(of: address)
        guard index < windows.count, windows[index].address == address else {
            throw Refusal(ENOENT)
        }
        guard windows[index].size == size else { throw Refusal(EINVAL) }
        return try remove(at: index..<index + 1)
    }

    /// Takes all maps away.
    func removeAll() throws(Refusal) -> Release { try remove(at: windows.indices) }

    private func remove(at indices: Range<Int>) throws(Refusal) -> Release {
        let remote = windows[indices].compactMap { $0.mapped.region.remote as? PeerWindow }
        let release = Release(indices.count - remote.count)
        do throws(GuestMemoryError) {
            try space.update { changes in
                for index in indices {
                    let isRemote = windows[index].mapped.region.remote != nil
                    changes.unmap(windows[index].mapped) { if !isRemote { release.oneDone() } }
                }
            }
        } catch {
            throw Refusal(error)
        }
        windows.removeSubrange(indices)
        // Nothing reaches the memory behind them any more, although transfers may still hold the map.
        PeerWindow.close(remote)
        return release
    }

    /// Where a window at `address` is, or would be.
    private func index(of address: GuestAddress) -> Int {
        var low = 0
        var high = windows.count
        while low < high {
            let middle = (low + high) / 2
            if windows[middle].address < address { low = middle + 1 } else { high = middle }
        }
        return low
    }

    // MARK: Written pages

    /// From now on written pages are logged.
    func startLogging() {
        isLogging = true
        for window in windows { window.mapped.region.memory?.dirtyLog.start(.migration) }
    }

    /// They are no longer.
    func stopLogging() {
        isLogging = false
        for window in windows { window.mapped.region.memory?.dirtyLog.stop(.migration) }
    }

    /// Calls `body` with each run of bytes from `address` on, at most `size`, whose pages have been
    /// written since the last time; `nil` when nothing is logged.
    func takeWritten(
        address: GuestAddress, size: UInt64, _ body: (ClosedRange<GuestAddress>) -> Void
    ) -> Void? {
        guard isLogging else { return nil }
        let last = address &+ (size - 1)
        for window in windows where window.address <= last && window.last >= address {
            guard let memory = window.mapped.region.memory else { continue }
            let first = max(address, window.address).offset(from: window.address)
            let end = min(last, window.last).offset(from: window.address)
            let pages = Int(first >> 12)..<Int(end >> 12) + 1
            memory.dirtyLog.take(.migration, in: pages) { run in
                let start = window.address &+ UInt64(run.lowerBound) << 12
                body(start...start &+ (UInt64(run.count) << 12 - 1))
            }
        }
        return ()
    }
}

extension PeerMemory.Refusal {
    fileprivate init(_ error: GuestMemoryError) {
        errno =
            switch error.code {
            case .system: error.errno
            case .tooManyMaps: EBUSY
            default: EINVAL
            }
    }

    /// The refusal that comes of memory that cannot be had.
    static func of(_ error: GuestMemoryError) -> Self { Self(error) }
}
