/// A multiset of byte ranges that answers whether any of them overlaps a given one.
///
/// The ranges that overlap [a, b) are those that begin before b, less those that end at or before
/// a. So two sorted multisets with counts are enough. Every call takes a time that grows with
/// the logarithm of the number of ranges, however they overlap.
struct RangeCounter {
    private var starts = SortedCounts()
    private var ends = SortedCounts()

    mutating func insert(_ range: Range<UInt64>) {
        starts.add(range.lowerBound)
        ends.add(range.upperBound)
    }

    mutating func remove(_ range: Range<UInt64>) {
        starts.remove(range.lowerBound)
        ends.remove(range.upperBound)
    }

    /// Gives back memory that many ranges took. There must be none in the set.
    mutating func releaseMemory() {
        starts.releaseMemory()
        ends.releaseMemory()
    }

    /// Neither this range nor those in the set are empty.
    func overlaps(_ range: Range<UInt64>) -> Bool {
        starts.count(below: range.upperBound) > ends.count(below: range.lowerBound &+ 1)
    }
}
