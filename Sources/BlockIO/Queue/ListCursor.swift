/// A place in a list of elements. All calls for a list together look at each element once, and once more
/// for each call.
struct ListCursor {
    /// Index of the element that the place is in.
    private(set) var element = 0
    /// Bytes of that element before the place.
    private(set) var skipped = 0

    /// A part of a list.
    enum Part {
        /// Elements of the list as they are.
        case elements(Range<Int>)
        /// A part of one element.
        case single(IOVector)
        /// A list of its own, to be deallocated.
        case copy(IOVectorStorage, count: Int)
    }

    /// Takes the next `count` bytes out of a list that has them.
    mutating func take(_ count: UInt64, from list: IOVectorList) -> Part {
        let (first, start) = (element, skipped)
        advance(count, in: list)
        if start == 0 && skipped == 0 { return .elements(first..<element) }
        let end = skipped == 0 ? element : element + 1
        if end - first == 1 { return .single(part(of: list, first, from: start)) }
        let copy = IOVectorStorage(capacity: end - first)
        for index in first..<end {
            let from = index == first ? start : 0
            copy.set(index - first, to: part(of: list, index, from: from))
        }
        return .copy(copy, count: end - first)
    }

    /// Fills the next `count` bytes of a list that has them with zeroes; false when some of the memory has
    /// gone.
    mutating func clear(_ count: UInt64, in list: IOVectorList) -> Bool {
        let (first, start) = (element, skipped)
        advance(count, in: list)
        for index in first..<(skipped == 0 ? element : element + 1) {
            let vector = part(of: list, index, from: index == first ? start : 0)
            if !vector.clear() { return false }
        }
        return true
    }

    private mutating func advance(_ count: UInt64, in list: IOVectorList) {
        advance(count, elements: list.count) { list[$0].length }
    }

    /// Moves on by `count` bytes, but not beyond the last of the elements, whose lengths `length` says.
    mutating func advance(_ count: UInt64, elements: Int, length: (Int) -> Int) {
        var left = count
        while element < elements, left > 0 {
            let rest = UInt64(length(element) - skipped)
            if left < rest {
                skipped += Int(left)
                return
            }
            left -= rest
            element += 1
            skipped = 0
        }
    }

    /// The part of an element from byte `start` on; of the element that the place is in, up to the place.
    private func part(
        of list: IOVectorList, _ index: Int, from start: Int
    ) -> IOVector {
        let vector = list[index]
        return vector.part(start..<(index == element ? skipped : vector.length))
    }
}
