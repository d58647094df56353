// Lists behind resolvers.
extension SegmentList {
    /// Maps a list whose addresses go through `resolvers` first.
    mutating func mapResolved(
        _ list: UnsafeBufferPointer<ScatterGatherList.Element>, _ map: FlatRanges,
        _ resolvers: [any AddressResolver], _ rules: Rules
    ) throws(GuestMemoryError) {
        var hint: FlatRangePointer?
        var answers = 0
        for index in list.indices {
            let element = unsafe list[index]
            try add(element)
            var done: UInt64 = 0
            while done < element.length {
                // One stretch through all steps; each may make it shorter.
                let start = element.address &+ done
                // Answers that become one segment have been work all the same.
                answers &+= 1
                guard answers <= rules.maximumSegments else {
                    throw GuestMemoryError(.tooManySegments, at: start)
                }
                var here = ResolvedRange(address: start, length: element.length &- done)
                var transforms: UInt8 = 0
                for (index, resolver) in resolvers.enumerated() {
                    let wanted = here.length
                    do throws(GuestMemoryError) {
                        here = try resolver.resolve(
                            here.address, length: wanted, direction: rules.direction)
                    } catch {
                        throw GuestMemoryError(error.code, at: start, errno: error.errno)
                    }
                    here.length = Swift.min(here.length, wanted)
                    guard here.length > 0 else { throw GuestMemoryError(.notTranslated, at: start) }
                    if here.isTransformed { transforms |= 1 << UInt8(index) }
                }
                if here.address.advanced(by: here.length &- 1) == nil {
                    throw GuestMemoryError(.addressWraps, at: start)
                }
                try append(
                    here.address, length: here.length, deviceAddress: start,
                    transforms: transforms, map, &hint, rules)
                done &+= here.length
            }
        }
    }
}
