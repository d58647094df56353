import Glibc

@testable import TestSupport

// What has happened, compared with what must have.
extension ModelSpace {
    private func withActual(_ index: Int, _ body: (UnsafeRawBufferPointer) -> String?) -> String? {
        if index < memory.count {
            return body(
                UnsafeRawBufferPointer(start: memory[index].base, count: memory[index].size))
        }
        return stores[index - memory.count].bytes.withUnsafeBytes(body)
    }

    /// In what guest memory, devices and dirty pages differ from the reference.
    func difference() -> String? {
        for index in expected.indices {
            let wrong = withActual(index) { actual in
                let reference = expected[index].bytes
                if memcmp(actual.baseAddress!, reference.baseAddress!, actual.count) == 0 {
                    return nil
                }
                let place = actual.indices.first { actual[$0] != reference[$0] }!
                return "byte \(place) of \(index < memory.count ? "memory" : "device") \(index) is "
                    + "\(actual[place]), not \(reference[place]), "
                    + "by position \(writers[index][place])"
            }
            if let wrong { return wrong }
        }
        for (index, ram) in memory.enumerated() {
            let dirty = ram.dirtyLog.takePages()
            if dirty != written[index].sorted() {
                return "pages \(dirty) of memory \(index) are dirty, not \(written[index].sorted())"
            }
        }
        return nil
    }

    /// The same after a transfer that failed, of which the first `certain` bytes were moved: the
    /// others are old or new, what the list does not name is old, and what changed is dirty.
    func differenceAfterFailure(certain: UInt64) -> String? {
        for index in expected.indices {
            let wrong = withActual(index) { actual in
                for start in stride(from: 0, to: actual.count, by: 4096) {
                    let wrong = differenceAfterFailure(
                        in: actual, of: index, at: start, certain: certain)
                    if let wrong { return wrong }
                }
                return nil
            }
            if let wrong { return wrong }
        }
        for (index, ram) in memory.enumerated() {
            let dirty = Set(ram.dirtyLog.takePages())
            let clean = ram.changedPages(since: Array(initial[index].bytes)).filter {
                !dirty.contains($0)
            }
            if !clean.isEmpty { return "changed pages \(clean) of memory \(index) are clean" }
            if !dirty.isSubset(of: written[index]) {
                return "pages \(dirty) of memory \(index) are dirty, not only \(written[index])"
            }
        }
        return nil
    }

    private func differenceAfterFailure(
        in actual: UnsafeRawBufferPointer, of index: Int, at start: Int, certain: UInt64
    ) -> String? {
        let former = initial[index].bytes
        let end = Swift.min(start + 4096, actual.count)
        if !written[index].contains(start / 4096) {
            let isSame =
                memcmp(actual.baseAddress! + start, former.baseAddress! + start, end - start) == 0
            return isSame ? nil : "the list does not name what changed at \(start) of \(index)"
        }
        for place in start..<end {
            let writer = writers[index][place]
            if writer >= 0 && UInt64(writer) >= certain { continue }
            let wanted = (writer < 0 ? former : expected[index].bytes)[place]
            if actual[place] != wanted {
                return "byte \(place) of \(index) is \(actual[place]), not \(wanted), "
                    + "by position \(writer) of \(certain) certain ones"
            }
        }
        return nil
    }
}
