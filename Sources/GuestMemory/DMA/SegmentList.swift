import Glibc

/// A list of guest addresses after mapping: one iovec for each stretch of host memory, and beside
/// it what else is known of the stretch. A stretch that must bounce has an iovec without address.
struct SegmentList: ~Copyable {
    /// What is not in the iovec.
    struct Segment {
        /// The first byte as the device named it.
        var deviceAddress: UInt64
        /// The first byte in the address space.
        var address: UInt64
        /// For memory that is written directly: its log, and where in it the first byte is.
        var log: Unmanaged<DirtyLog>?
        var logOffset: Int
        /// Bit n: resolver n changes the data.
        var transforms: UInt8
    }

    private(set) var vectors: UnsafeMutablePointer<iovec>
    private(set) var segments: UnsafeMutablePointer<Segment>
    private(set) var capacity: Int
    /// How many of `capacity` this list may use.
    private var room = 0
    private(set) var count = 0
    /// Segments without a host address.
    private(set) var bounced = 0
    /// All bytes.
    private(set) var total: UInt64 = 0
    /// Host addresses only rise: nothing can overlap.
    private var isAscending = true
    /// Some of the bounced segments are memory, not registers.
    private var bouncesMemory = false
    private var overlaps = OverlapFilter()

    /// How lists are mapped.
    struct Rules {
        var direction: DMADirection
        var alignment: Int
        var forceBounce: Bool
        var maximumSegments: Int
        var reentrancy: ReentrancyGuard?
    }

    init(capacity: Int) {
        self.capacity = capacity
        vectors = .allocate(capacity: capacity)
        segments = .allocate(capacity: capacity)
    }

    deinit {
        vectors.deallocate()
        segments.deallocate()
    }

    // MARK: Mapping

    /// Maps a list. All of it is checked before anything is transferred.
    mutating func map(
        _ list: UnsafeBufferPointer<ScatterGatherList.Element>, on map: MemoryMap,
        through resolvers: [any AddressResolver], _ rules: Rules
    ) throws(GuestMemoryError) {
        count = 0
        bounced = 0
        total = 0
        isAscending = true
        bouncesMemory = false
        room = Swift.min(capacity, rules.maximumSegments)
        guard !list.isEmpty else { throw GuestMemoryError(.emptyList) }
        if resolvers.isEmpty {
            try mapIdentity(list, map, rules)
        } else {
            try mapResolved(list, map, resolvers, rules)
        }
        // First the overlaps: they are looked for among the direct ones.
        if rules.direction == .fromDevice && !isAscending { bounceOverlaps() }
        if rules.alignment > 1 { try bounceMisaligned(rules.alignment) }
    }

    private mutating func add(
        _ element: ScatterGatherList.Element
    ) throws(GuestMemoryError) {
        guard element.length != 0 else {
            throw GuestMemoryError(.zeroLength, at: element.address)
        }
        if element.address.addingReportingOverflow(element.length &- 1).overflow {
            throw GuestMemoryError(.addressWraps, at: element.address)
        }
        total &+= element.length
        // Neither addend can be larger than that.
        guard total < 1 << 63, element.length < 1 << 63 else {
            throw GuestMemoryError(.totalTooLarge, at: element.address)
        }
    }

    private mutating func mapIdentity(
        _ list: UnsafeBufferPointer<ScatterGatherList.Element>, _ map: MemoryMap, _ rules: Rules
    ) throws(GuestMemoryError) {
        var hint: UnsafePointer<FlatRange>?
        for index in 0..<list.count {
            let element = list[index]
            try add(element)
            try append(
                element.address, length: element.length, deviceAddress: element.address,
                transforms: 0, map, &hint, rules)
        }
    }

    private mutating func mapResolved(
        _ list: UnsafeBufferPointer<ScatterGatherList.Element>, _ map: MemoryMap,
        _ resolvers: [any AddressResolver], _ rules: Rules
    ) throws(GuestMemoryError) {
        var hint: UnsafePointer<FlatRange>?
        for element in list {
            try add(element)
            var done: UInt64 = 0
            while done < element.length {
                // One stretch through all steps; each may make it shorter.
                let start = element.address &+ done
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
                if here.address.addingReportingOverflow(here.length &- 1).overflow {
                    throw GuestMemoryError(.addressWraps, at: start)
                }
                try append(
                    here.address, length: here.length, deviceAddress: start,
                    transforms: transforms, map, &hint, rules)
                done &+= here.length
            }
        }
    }

    @inline(__always)
    private mutating func append(
        _ address: UInt64, length: UInt64, deviceAddress: UInt64, transforms: UInt8,
        _ map: MemoryMap, _ hint: inout UnsafePointer<FlatRange>?, _ rules: Rules
    ) throws(GuestMemoryError) {
        var address = address
        var deviceAddress = deviceAddress
        var left = length
        while true {
            var range = hint.covering(address)
            if range == nil {
                range = map.range(at: address)
                guard range != nil else { throw GuestMemoryError(.hole, at: deviceAddress) }
                hint = range
            }
            let found = range.unsafelyUnwrapped
            let rest = found.pointee.last &- address
            let taken = rest >= left ? left : rest &+ 1
            let isDirect =
                found.pointee.kind == .ram
                || (found.pointee.kind == .rom && rules.direction == .toDevice)
            if isDirect && transforms == 0 && !rules.forceBounce {
                try appendDirect(found, address, Int(taken), deviceAddress, rules)
            } else {
                try appendBounced(found, address, Int(taken), deviceAddress, transforms, rules)
            }
            left &-= taken
            if left == 0 { return }
            address &+= taken
            deviceAddress &+= taken
        }
    }

    @inline(__always)
    private mutating func appendDirect(
        _ range: UnsafePointer<FlatRange>, _ address: UInt64, _ length: Int,
        _ deviceAddress: UInt64, _ rules: Rules
    ) throws(GuestMemoryError) {
        let offset = Int(truncatingIfNeeded: address &- range.pointee.first)
        let host = range.pointee.host.unsafelyUnwrapped + offset
        if count > 0 {
            let last = vectors + (count &- 1)
            // nil for a bounced one, which nothing continues.
            if let base = last.pointee.iov_base {
                let end = base + last.pointee.iov_len
                // In the same memory, so that one mark in its log serves both.
                if end == host
                    && segments[count &- 1].log?.toOpaque() == range.pointee.log?.toOpaque()
                {
                    last.pointee.iov_len &+= length
                    return
                }
                if host < end { isAscending = false }
            } else {
                isAscending = false
            }
        }
        if count == room { try grow(rules, for: deviceAddress) }
        vectors[count] = iovec(iov_base: host, iov_len: length)
        segments[count] = Segment(
            deviceAddress: deviceAddress, address: address, log: range.pointee.log,
            logOffset: range.pointee.logOffset &+ offset, transforms: 0)
        count &+= 1
    }

    private mutating func appendBounced(
        _ range: UnsafePointer<FlatRange>, _ address: UInt64, _ length: Int,
        _ deviceAddress: UInt64, _ transforms: UInt8, _ rules: Rules
    ) throws(GuestMemoryError) {
        if let own = rules.reentrancy {
            let leadsBack = range.pointee.region._withUnsafeGuaranteedRef {
                $0.region.reentrancy === own
            }
            if leadsBack { throw GuestMemoryError(.reentrant, at: deviceAddress) }
        }
        if count == room { try grow(rules, for: deviceAddress) }
        vectors[count] = iovec(iov_base: nil, iov_len: length)
        segments[count] = Segment(
            deviceAddress: deviceAddress, address: address, log: nil, logOffset: 0,
            transforms: transforms)
        count &+= 1
        bounced &+= 1
        if range.pointee.kind == .ram { bouncesMemory = true }
    }

    private mutating func grow(
        _ rules: Rules, for deviceAddress: UInt64
    ) throws(GuestMemoryError) {
        guard count < rules.maximumSegments else {
            throw GuestMemoryError(.tooManySegments, at: deviceAddress)
        }
        let larger = Swift.min(capacity * 2, rules.maximumSegments)
        let newVectors = UnsafeMutablePointer<iovec>.allocate(capacity: larger)
        newVectors.moveInitialize(from: vectors, count: count)
        vectors.deallocate()
        vectors = newVectors
        let newSegments = UnsafeMutablePointer<Segment>.allocate(capacity: larger)
        newSegments.moveInitialize(from: segments, count: count)
        segments.deallocate()
        segments = newSegments
        capacity = larger
        room = larger
    }

    // MARK: What else must bounce

    private mutating func bounce(_ index: Int) {
        guard vectors[index].iov_base != nil else { return }
        vectors[index].iov_base = nil
        segments[index].log = nil
        bounced &+= 1
    }

    /// A segment offends by address, length or position in the request. Offenders begin and end on
    /// multiples of the alignment together, as everything between them does.
    private mutating func bounceMisaligned(_ alignment: Int) throws(GuestMemoryError) {
        let mask = UInt64(alignment - 1)
        guard total & mask == 0 else {
            throw GuestMemoryError(.misaligned, at: segments[0].deviceAddress)
        }
        var position: UInt64 = 0
        for index in 0..<count {
            let length = UInt64(vectors[index].iov_len)
            let address = UInt64(UInt(bitPattern: vectors[index].iov_base))
            if (position | length | address) & mask != 0 { bounce(index) }
            position &+= length
        }
    }

    /// The kernel may fill elements in any order. Those that overlap an earlier one are copied
    /// afterwards instead, in order, so that the last one wins.
    private mutating func bounceOverlaps() {
        if bounced == count { return }
        if bouncesMemory {
            // One that is copied could come before a direct one that overlaps it.
            for index in 0..<count { bounce(index) }
            return
        }
        guard overlaps.mayOverlap(UnsafeBufferPointer(start: vectors, count: count)) else { return }
        var covered = CoveredAddresses()
        for index in 0..<count {
            guard let base = vectors[index].iov_base else { continue }
            let start = UInt(bitPattern: base)
            let isNew = covered.insert(start..<start + UInt(vectors[index].iov_len))
            if !isNew { bounce(index) }
        }
    }
}

extension Optional where Wrapped == UnsafePointer<FlatRange> {
    /// The range, if it contains `address`.
    @inline(__always)
    fileprivate func covering(_ address: UInt64) -> Self {
        guard let range = self, address >= range.pointee.first, address <= range.pointee.last
        else { return nil }
        return range
    }
}
