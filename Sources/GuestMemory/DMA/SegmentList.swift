import BlockHost
import Glibc

// @safe: `count` never exceeds `capacity`, and the memory is freed with the list.
/// A list of guest addresses after mapping: one iovec for each stretch of host memory, and beside
/// it what else is known of the stretch. A stretch that must bounce has an iovec without address.
@safe struct SegmentList: ~Copyable {
    /// What is not in the iovec.
    struct Segment {
        /// The first byte as the device named it.
        var deviceAddress: GuestAddress
        /// The first byte in the address space.
        var address: GuestAddress
        /// For memory that is reached directly: what it is part of.
        var range: FlatRangePointer?
        /// Bit n: resolver n changes the data. Only of those that bounce.
        var transforms: UInt8
        /// Belongs to the same answer of the resolvers as the segment before.
        var isContinued = false
    }

    private(set) var vectors: UnsafeMutablePointer<iovec>
    private(set) var segments: UnsafeMutablePointer<Segment>
    private(set) var capacity: Int
    /// How many of `capacity` this list may use.
    private var room = 0
    private(set) var count = 0
    /// Segments without a host address.
    var bounced = 0
    /// All bytes.
    private(set) var total: UInt64 = 0
    /// How many of `segments` are filled in. The others are reached directly in `tail`, at the
    /// address that the device named.
    private(set) var described = 0
    private(set) var tail: FlatRangePointer?
    /// All host addresses, and all lengths less one, each a disjunction of their bits.
    private var starts: UInt = 0
    private var lengths: UInt = 0
    /// Host addresses only rise: nothing can overlap.
    private var isAscending = true
    /// Some of the bounced segments are memory, not registers.
    private(set) var bouncesMemory = false
    var overlaps = OverlapFilter()

    /// How lists are mapped.
    struct Rules {
        var direction: DMADirection
        var alignment: Int
        var forceBounce: Bool
        var maximumSegments: Int
        var reentrancy: UnretainedReference<ReentrancyGuard>?

        func reachesDirectly(_ kind: MemoryRegion.Kind) -> Bool {
            guard !forceBounce else { return false }
            switch kind {
            case .ram: return true
            case .rom, .romDevice: return direction == .toDevice
            case .mmio, .remote, .hole: return false
            }
        }
    }

    init(capacity: Int) {
        self.capacity = capacity
        unsafe vectors = .allocate(capacity: capacity)
        unsafe segments = .allocate(capacity: capacity)
    }

    deinit {
        unsafe vectors.deallocate()
        unsafe segments.deallocate()
    }

    /// Every segment is a page, or the beginning of one, that is reached directly.
    var isOfPages: Bool {
        let mask = UInt(GuestRAM.pageSize - 1)
        return bounced == 0 && starts & mask == 0 && lengths <= mask
    }

    // MARK: Segments

    // Where a transfer's cost is decided, code goes by the pointers instead.

    /// Where a segment is in the host; `nil` when it bounces.
    func host(of index: Int) -> UnsafeMutableRawPointer? { unsafe vectors[checked(index)].iov_base }

    /// The host address of a segment as a number; 0 when it bounces.
    func start(of index: Int) -> UInt { unsafe UInt(bitPattern: host(of: index)) }

    /// How many bytes a segment has.
    func length(of index: Int) -> Int { unsafe vectors[checked(index)].iov_len }

    /// Whether a segment has no host address.
    func bounces(_ index: Int) -> Bool { start(of: index) == 0 }

    /// What is known of a segment that is described.
    func segment(_ index: Int) -> Segment { unsafe segments[checked(index)] }

    @inline(__always)
    private func checked(_ index: Int) -> Int {
        precondition(index >= 0 && index < count, "no such segment")
        return index
    }

    /// What a segment is part of that is reached directly.
    func range(at index: Int) -> FlatRangePointer? {
        unsafe index < described ? segments[index].range : tail
    }

    // MARK: Mapping

    /// Maps a list. All of it is checked before anything is transferred.
    mutating func map(
        _ list: UnsafeBufferPointer<ScatterGatherList.Element>, on map: FlatRanges, _ rules: Rules
    ) throws(GuestMemoryError) {
        if unsafe list.count == 1 && rules.alignment == 1 && mapOne(list[0], map, rules) { return }
        unsafe try reset(for: list, rules)
        unsafe try mapIdentity(list, map, rules)
        try bounceOffenders(rules)
    }

    /// The same for addresses that go through resolvers first.
    mutating func map(
        _ list: UnsafeBufferPointer<ScatterGatherList.Element>, on map: FlatRanges,
        through resolvers: [any AddressResolver], _ rules: Rules
    ) throws(GuestMemoryError) {
        unsafe try reset(for: list, rules)
        unsafe try mapResolved(list, map, resolvers, rules)
        try bounceOffenders(rules)
    }

    @inline(__always)
    private mutating func reset(
        for list: UnsafeBufferPointer<ScatterGatherList.Element>, _ rules: Rules
    ) throws(GuestMemoryError) {
        count = 0
        bounced = 0
        total = 0
        described = 0
        tail = nil
        starts = 0
        lengths = 0
        isAscending = true
        bouncesMemory = false
        room = Swift.min(capacity, rules.maximumSegments)
        guard !list.isEmpty else { throw GuestMemoryError(.emptyList) }
    }

    /// Maps the only element of a list, if it is in one piece of memory that is reached directly: what
    /// most small requests have. Otherwise returns false, and the list is to be mapped as any other.
    @inline(__always)
    private mutating func mapOne(
        _ element: ScatterGatherList.Element, _ map: FlatRanges, _ rules: Rules
    ) -> Bool {
        // A length of 0 is larger than any piece after this.
        let rest = element.length &- 1
        guard let range = map.range(at: element.address),
            rest <= range.pointee.last.offset(from: element.address),
            rules.reachesDirectly(range.pointee.kind), let base = unsafe range.pointee.host
        else { return false }
        let offset = element.address.offset(from: range.pointee.first)
        unsafe become(range, base + Int(truncatingIfNeeded: offset), element.length)
        return true
    }

    /// The list of `length` bytes in one piece of `range`, which are reached directly at `host`.
    @inline(__always)
    mutating func become(
        _ range: FlatRangePointer, _ host: UnsafeMutableRawPointer, _ length: UInt64
    ) {
        unsafe vectors[0] = unsafe iovec(
            iov_base: host, iov_len: Int(truncatingIfNeeded: length))
        count = 1
        bounced = 0
        total = length
        described = 0
        tail = range
        starts = UInt(bitPattern: host)
        lengths = UInt(truncatingIfNeeded: length &- 1)
        isAscending = true
        bouncesMemory = false
    }

    @inline(__always)
    private mutating func bounceOffenders(_ rules: Rules) throws(GuestMemoryError) {
        // First the overlaps: they are looked for among the direct ones.
        if rules.direction == .fromDevice && !isAscending { bounceOverlaps() }
        if rules.alignment > 1 { try bounceMisaligned(rules.alignment) }
        if bounced > 0 { describe() }
    }

    mutating func add(
        _ element: ScatterGatherList.Element
    ) throws(GuestMemoryError) {
        guard element.length != 0 else {
            throw GuestMemoryError(.zeroLength, at: element.address)
        }
        if element.address.advanced(by: element.length &- 1) == nil {
            throw GuestMemoryError(.addressWraps, at: element.address)
        }
        total &+= element.length
        // Neither addend can be larger than that.
        guard total < 1 << 63, element.length < 1 << 63 else {
            throw GuestMemoryError(.totalTooLarge, at: element.address)
        }
    }

    @inline(__always)
    private mutating func mapIdentity(
        _ list: UnsafeBufferPointer<ScatterGatherList.Element>, _ map: FlatRanges, _ rules: Rules
    ) throws(GuestMemoryError) {
        var hint = unsafe map.range(at: list[0].address)
        var window = Window(hint, rules)
        if window.size > 0 { tail = hint }
        var index = 0
        while index < list.count {
            unsafe index &+= mapInside(window, UnsafeBufferPointer(rebasing: list[index...]))
            if index == list.count { return }
            let element = unsafe list[index]
            try add(element)
            try append(
                element.address, length: element.length, deviceAddress: element.address,
                transforms: 0, map, &hint, rules)
            window = Window(hint, rules)
            index &+= 1
        }
    }

    /// Maps elements as long as they lie in the memory that the one before them ended in; returns
    /// how many. This loop decides what a transfer costs: it calls nothing, and all it uses fits
    /// into registers.
    private mutating func mapInside(
        _ window: Window, _ list: UnsafeBufferPointer<ScatterGatherList.Element>
    ) -> Int {
        guard window.size > 0, let first = list.baseAddress else { return 0 }
        let limit = Swift.min(list.count, room &- count)
        // None is longer than the window: the total stays below 2^63.
        let (most, overflow) = window.size.multipliedReportingOverflow(by: UInt64(limit))
        guard !overflow, most < 1 << 63 &- total else { return 0 }
        let stop = unsafe first + limit
        var element = unsafe first
        var vector = unsafe vectors + count
        // Nothing continues what bounces or is not there: nothing is at address 0.
        var end: UInt = 0
        if count > 0, let base = unsafe vector[-1].iov_base {
            end = unsafe UInt(bitPattern: base) &+ UInt(bitPattern: vector[-1].iov_len)
        }
        var sum = total
        while unsafe element < stop {
            let address = unsafe element.pointee.address
            let length = unsafe element.pointee.length
            let left = window.end.offset(from: address)
            // Neither a length of zero nor an end past 2^64 passes.
            guard left <= window.size, length &- 1 < left else { break }
            unsafe element += 1
            sum &+= length
            let host = window.hostEnd &- UInt(truncatingIfNeeded: left)
            if host <= end {
                if host == end {
                    end = host &+ UInt(truncatingIfNeeded: length)
                    unsafe vector[-1].iov_len &+= Int(truncatingIfNeeded: length)
                    continue
                }
                isAscending = false
            }
            end = host &+ UInt(truncatingIfNeeded: length)
            starts |= host
            lengths |= UInt(truncatingIfNeeded: length &- 1)
            unsafe vector.initialize(
                to: iovec(
                    iov_base: UnsafeMutableRawPointer(bitPattern: host),
                    iov_len: Int(truncatingIfNeeded: length)))
            unsafe vector += 1
        }
        if unsafe vector - vectors - count < element - first { lengths = .max }
        count = unsafe vector - vectors
        total = sum
        return unsafe element - first
    }

    /// Memory that elements are reached in directly, if they are.
    private struct Window {
        /// Behind the last address, here and in the host; the former may be 2^64, which is 0.
        var end: GuestAddress = 0
        var hostEnd: UInt = 0
        var size: UInt64 = 0

        @inline(__always)
        init(_ range: FlatRangePointer?, _ rules: Rules) {
            guard let range, rules.reachesDirectly(range.pointee.kind) else {
                return
            }
            end = range.pointee.last &+ 1
            // Memory is smaller than 2^63 bytes.
            size = end.offset(from: range.pointee.first)
            hostEnd =
                unsafe UInt(bitPattern: range.pointee.host) &+ UInt(truncatingIfNeeded: size)
        }
    }

    mutating func append(
        _ address: GuestAddress, length: UInt64, deviceAddress: GuestAddress, transforms: UInt8,
        _ map: FlatRanges, _ hint: inout FlatRangePointer?, _ rules: Rules
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
            let found = unsafe range.unsafelyUnwrapped
            let rest = found.pointee.last.offset(from: address)
            let taken = rest >= left ? left : rest &+ 1
            if transforms == 0 && rules.reachesDirectly(found.pointee.kind) {
                try appendDirect(found, address, Int(taken), deviceAddress, rules)
            } else {
                try appendBounced(
                    found, address, Int(taken), deviceAddress, transforms, rules)
                unsafe segments[count &- 1].isContinued = left < length
            }
            left &-= taken
            if left == 0 { return }
            address &+= taken
            deviceAddress &+= taken
        }
    }

    @inline(__always)
    private mutating func appendDirect(
        _ range: FlatRangePointer, _ address: GuestAddress, _ length: Int,
        _ deviceAddress: GuestAddress, _ rules: Rules
    ) throws(GuestMemoryError) {
        let offset = Int(truncatingIfNeeded: address.offset(from: range.pointee.first))
        let host = unsafe range.pointee.host.unsafelyUnwrapped + offset
        if count > 0 {
            let last = unsafe vectors + (count &- 1)
            // nil for a bounced one, which nothing continues.
            if let base = unsafe last.pointee.iov_base {
                let end = unsafe base + last.pointee.iov_len
                if unsafe end == host, continuesLast(range, address) {
                    unsafe last.pointee.iov_len &+= length
                    lengths = .max
                    tail = range
                    return
                }
                if unsafe host < end { isAscending = false }
            }
        }
        describe()
        if count == room { try grow(rules, for: deviceAddress) }
        starts |= UInt(bitPattern: host)
        lengths |= UInt(bitPattern: length &- 1)
        unsafe vectors[count] = unsafe iovec(iov_base: host, iov_len: length)
        unsafe segments[count] = Segment(
            deviceAddress: deviceAddress, address: address, range: range, transforms: 0)
        count &+= 1
        described = count
        tail = range
    }

    /// Whether bytes at `address` in `range`, which follow the last segment in the host, follow it in the
    /// address space as well. A segment that bounces is copied by its address there, and another region may
    /// begin in the host where one ends. Memory that is borrowed may end where other memory begins.
    private mutating func continuesLast(_ range: FlatRangePointer, _ address: GuestAddress) -> Bool
    {
        describe()
        guard let last = self.range(at: count &- 1) else { return false }
        if last.pointee.first == range.pointee.first { return true }
        let end = segment(count &- 1).address &+ UInt64(length(of: count &- 1))
        return last.pointee.log == range.pointee.log && end == address
    }

    private mutating func appendBounced(
        _ range: FlatRangePointer, _ address: GuestAddress, _ length: Int,
        _ deviceAddress: GuestAddress, _ transforms: UInt8, _ rules: Rules
    ) throws(GuestMemoryError) {
        // What is read from memory does not reach the device behind it.
        let isCalled = unsafe rules.direction == .fromDevice || range.pointee.host == nil
        if isCalled, let own = rules.reentrancy {
            let leadsBack = range.pointee.region.with {
                $0.region.reentrancy.map { unsafe UnretainedReference($0) } == own
            }
            if leadsBack { throw GuestMemoryError(.reentrant, at: deviceAddress) }
        }
        describe()
        if count == room { try grow(rules, for: deviceAddress) }
        unsafe vectors[count] = unsafe iovec(iov_base: nil, iov_len: length)
        unsafe segments[count] = Segment(
            deviceAddress: deviceAddress, address: address, range: nil, transforms: transforms)
        count &+= 1
        described = count
        bounced &+= 1
        isAscending = false
        if range.pointee.kind == .ram { bouncesMemory = true }
    }

    /// Fills in the segments that are not yet.
    mutating func describe() {
        guard let tail else { return }
        for index in described..<count {
            let offset =
                unsafe UInt(bitPattern: vectors[index].iov_base)
                &- UInt(bitPattern: tail.pointee.host)
            let address = tail.pointee.first &+ UInt64(truncatingIfNeeded: offset)
            unsafe segments[index] = Segment(
                deviceAddress: address, address: address, range: tail, transforms: 0)
        }
        described = count
    }

    private mutating func grow(
        _ rules: Rules, for deviceAddress: GuestAddress
    ) throws(GuestMemoryError) {
        guard count < rules.maximumSegments else {
            throw GuestMemoryError(.tooManySegments, at: deviceAddress)
        }
        let larger = Swift.min(capacity * 2, rules.maximumSegments)
        let newVectors = UnsafeMutablePointer<iovec>.allocate(capacity: larger)
        unsafe newVectors.moveInitialize(from: vectors, count: count)
        unsafe vectors.deallocate()
        unsafe vectors = unsafe newVectors
        let newSegments = UnsafeMutablePointer<Segment>.allocate(capacity: larger)
        unsafe newSegments.moveInitialize(from: segments, count: count)
        unsafe segments.deallocate()
        unsafe segments = unsafe newSegments
        capacity = larger
        room = larger
    }
}

// MARK: Written pages

extension SegmentList {
    /// Marks what a device has written directly, up to byte `limit` of the list, nothing of which
    /// bounces.
    @inline(__always)
    func markWritten(limit: UInt64) {
        if count == 1 { return markFirst(limit) }
        markAll(limit: limit)
    }

    /// The same for a list of one segment.
    @inline(__always)
    private func markFirst(_ limit: UInt64) {
        guard let range = range(at: 0), let log = range.pointee.log else { return }
        let offset = unsafe UInt(bitPattern: vectors[0].iov_base) &- range.pointee.logBase
        log.with {
            $0.mark(
                offset: Int(bitPattern: offset),
                length: Int(truncatingIfNeeded: Swift.min(limit, total)))
        }
    }

    private func markAll(limit: UInt64) {
        var others = count
        if described < count, limit == total, isOfPages, let tail,
            let log = tail.pointee.log,
            let bitmap = DirtyLog.Marker(log).bitmap
        {
            markPages(from: described, tail.pointee.logBase, bitmap)
            others = described
        }
        if others > 0 { markEach(others, limit: limit) }
    }

    /// Marks all from `first` on, which are in the same memory.
    @inline(__always)
    private func markPages(from first: Int, _ base: UInt, _ bitmap: DirtyLog.Bitmap) {
        var vector = unsafe vectors + first
        let end = unsafe vectors + count
        while unsafe vector < end {
            let offset = unsafe UInt(bitPattern: vector.pointee.iov_base) &- base
            bitmap.mark(page: UInt64(truncatingIfNeeded: offset &>> 12))
            unsafe vector += 1
        }
    }

    /// Marks the first `number`, whatever they are.
    @inline(never)
    private func markEach(_ number: Int, limit: UInt64) {
        var marker: DirtyLog.Marker?
        var left = limit
        for index in 0..<number where left > 0 {
            guard let range = range(at: index), let log = range.pointee.log else {
                return
            }
            if marker?.log != log {
                marker = DirtyLog.Marker(log)
            }
            let length = unsafe Swift.min(left, UInt64(truncatingIfNeeded: vectors[index].iov_len))
            let offset = unsafe UInt(bitPattern: vectors[index].iov_base) &- range.pointee.logBase
            marker?.mark(offset: Int(bitPattern: offset), length: Int(truncatingIfNeeded: length))
            left &-= length
        }
    }
}
