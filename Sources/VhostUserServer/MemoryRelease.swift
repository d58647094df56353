import BlockHost
import Synchronization

/// Done when nothing uses the host memory of the regions that were taken away.
final class MemoryRelease: Sendable {
    private let left: Atomic<Int>
    /// Signaled then.
    private let news: Event

    init(_ count: Int, _ news: Event) {
        left = Atomic(count)
        self.news = news
    }

    var isDone: Bool { left.load(ordering: .acquiring) == 0 }

    /// One of the regions is used no more. Any thread may call this.
    func oneDone() {
        if left.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 { news.signal() }
    }
}
