import BlockHost
import Synchronization

/// Done when nothing uses the host memory of the regions that were taken away.
final class MemoryRelease: Sendable {
    /// What was taken away.
    let regions: [FrontEndRegion]
    private let left: Atomic<Int>
    /// Signaled then.
    private let news: Event

    init(_ regions: [FrontEndRegion], _ news: Event) {
        self.regions = regions
        left = Atomic(regions.count)
        self.news = news
    }

    var isDone: Bool { left.load(ordering: .acquiring) == 0 }

    /// One of the regions is used no more. Any thread may call this.
    func oneDone() {
        if left.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 { news.signal() }
    }
}
