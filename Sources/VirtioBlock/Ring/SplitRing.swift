import BlockHost
import GuestMemory
import Synchronization

/// The device's side of a split virtqueue (virtio 1.2, 2.7): which requests are available, and which
/// have been used.
///
/// The ring is in memory that the guest may change at any time. Everything in it is read once, and
/// every index is checked. Between ``begin()`` and ``end()`` the device looks at the ring; there,
/// used requests are collected, and ``publish()`` shows them all at once.
struct SplitRing: ~Copyable {
    /// The memory of the guest.
    private(set) var view: RAMView
    private(set) var layout: VirtqueueLayout
    private var descriptors: RAMStretch?
    private var available: RAMStretch?
    private var used: RAMStretch?
    private let maximumSize: Int
    private var mask: UInt16 = 0
    private var hasEventIndex = false

    /// The index of the next request in the available ring.
    private(set) var nextAvailable: UInt16 = 0
    /// The index of the used ring, as far as it is published.
    private(set) var nextUsed: UInt16 = 0
    /// The index of the used ring at the last decision about an interrupt; `nil` before the first.
    private var signalled: UInt16?
    /// Whether ``arm()`` asks the driver to notify the device.
    var wantsNotifications = true
    /// What the flags of the used ring say of notifications; `nil` before they have been written.
    private var isFlaggedQuiet: Bool?
    /// Requests that were fetched last.
    private let heads: FixedMemory<UInt16>
    /// Requests that are used and not published.
    private let elements: FixedMemory<VirtqUsedElement>
    private var collected = 0

    /// No ring. `maximumSize` is the largest that there may be.
    init(on space: AddressSpace, maximumSize: Int) {
        view = RAMView(space)
        layout = VirtqueueLayout(size: 0, descriptors: 0, available: 0, used: 0)
        self.maximumSize = maximumSize
        heads = FixedMemory(repeating: 0, count: maximumSize)
        elements = FixedMemory(repeating: VirtqUsedElement(), count: maximumSize)
    }

    /// The number of descriptors.
    var size: Int { layout.size }

    // MARK: Where it is

    /// Attaches the ring that a driver has made. `nextUsed` is taken from the memory unless given.
    mutating func attach(
        _ layout: VirtqueueLayout, nextAvailable: UInt16, nextUsed: UInt16?, hasEventIndex: Bool
    ) throws(VirtioError) {
        if let fault = layout.fault(maximumSize: maximumSize) { throw .ring(fault) }
        self.layout = layout
        mask = UInt16(layout.size - 1)
        self.hasEventIndex = hasEventIndex
        self.nextAvailable = nextAvailable
        signalled = nil
        isFlaggedQuiet = nil
        collected = 0
        _ = view.begin()
        defer { view.end() }
        guard locate(), let index = nextUsed ?? used?.load16(at: 2) else {
            detach()
            throw .ring(.memory)
        }
        self.nextUsed = index
    }

    /// Forgets the ring, and what was not published.
    mutating func detach() {
        layout.size = 0
        collected = 0
        (descriptors, available, used) = (nil, nil, nil)
    }

    /// Holds the memory of the guest. False when a part of the ring is no longer there.
    mutating func begin() -> Bool {
        if view.begin() && descriptors != nil { return true }
        return layout.size == 0 || locate()
    }

    /// Releases the memory of the guest.
    mutating func end() { view.end() }

    /// Finds the three parts in the map that is held.
    @inline(never)
    private mutating func locate() -> Bool {
        descriptors = view.stretch(at: layout.descriptors, count: layout.descriptorBytes)
        available = view.stretch(at: layout.available, count: layout.availableBytes)
        used = view.stretch(at: layout.used, count: layout.usedBytes)
        return descriptors != nil && available != nil && used != nil
    }

    // MARK: Available requests

    /// What the available ring has.
    enum Fetched {
        /// As many requests, at ``head(_:)``.
        case requests(Int)
        case fault(VirtioRingFault)
    }

    /// Takes up to `limit` requests from the available ring.
    mutating func fetch(atMost limit: Int) -> Fetched {
        guard let available, let index = available.load16(at: 2) else { return .fault(.memory) }
        let waiting = Int(index &- nextAvailable)
        if waiting == 0 { return .requests(0) }
        guard waiting <= size else { return .fault(.availableIndex) }
        // What the driver wrote before the index is read after it.
        atomicMemoryFence(ordering: .acquiring)
        let count = min(waiting, limit)
        let first = Int(nextAvailable & mask)
        let whole = min(count, size - first)
        var isRead = unsafe available.read(
            at: 4 + 2 * first, into: heads.address(of: 0, count: whole), count: 2 * whole)
        if whole < count {
            let rest = count - whole
            isRead =
                unsafe isRead
                && available.read(
                    at: 4, into: heads.address(of: whole, count: rest), count: 2 * rest)
        }
        guard isRead else { return .fault(.memory) }
        nextAvailable &+= UInt16(count)
        return .requests(count)
    }

    /// The first descriptor of a request that ``fetch(atMost:)`` has taken.
    func head(_ index: Int) -> UInt16 { UInt16(littleEndian: heads[index]) }

    /// Asks the driver to notify the device of the next request, if the device ``wantsNotifications``. Returns
    /// whether it has come in the meantime; `nil` when the memory has gone.
    ///
    /// With an event index, a device that wants no notifications leaves the index behind: the driver notifies
    /// it only when its own index passes that (virtio 1.2, 2.7.10). Without, a flag says it.
    mutating func arm() -> Bool? {
        if hasEventIndex {
            if wantsNotifications {
                guard let used, used.store16(nextAvailable, at: 4 + 8 * size) else { return nil }
                // The driver sees this, or the device sees the request.
                atomicMemoryFence(ordering: .sequentiallyConsistent)
            }
        } else if isFlaggedQuiet != !wantsNotifications {
            guard setFlag(isQuiet: !wantsNotifications) else { return nil }
        }
        guard let index = available?.load16(at: 2) else { return nil }
        return index != nextAvailable
    }

    /// VIRTQ_USED_F_NO_NOTIFY (virtio 1.2, 2.7.8). False when the memory has gone.
    @inline(never)
    private mutating func setFlag(isQuiet: Bool) -> Bool {
        guard let used, used.store16(isQuiet ? 1 : 0, at: 0) else { return false }
        isFlaggedQuiet = isQuiet
        // As in `arm`.
        atomicMemoryFence(ordering: .sequentiallyConsistent)
        return true
    }

    /// Descriptor `index` of the table.
    func descriptor(_ index: Int, into target: UnsafeMutableRawPointer) -> Bool {
        guard let descriptors else { return false }
        return unsafe descriptors.read(
            at: VirtqDescriptor.size &* index, into: target, count: VirtqDescriptor.size)
    }

    /// The same without a look at what is lost.
    @inline(__always)
    func copyDescriptor(_ index: Int, to target: UnsafeMutableRawPointer) -> Bool {
        guard let descriptors else { return false }
        return unsafe descriptors.copy16(at: VirtqDescriptor.size &* index, to: target)
    }

    // MARK: Used requests

    /// Collects a request, for which `length` bytes were written. False when the memory has gone.
    @inline(__always)
    mutating func use(_ head: UInt16, length: UInt32) -> Bool {
        // Requests that end as soon as they are taken can be more than the ring has.
        let isThere = collected < size || publish()
        elements[collected] = VirtqUsedElement(head: head, length: length)
        collected &+= 1
        return isThere
    }

    /// Whether used requests are not published yet.
    var hasCollected: Bool { collected > 0 }

    /// Shows the driver all requests that were collected. False when the memory has gone.
    mutating func publish() -> Bool {
        let count = collected
        collected = 0
        guard let used else { return false }
        let first = Int(nextUsed & mask)
        let whole = min(count, size - first)
        let bytes = VirtqUsedElement.size
        var isWritten = unsafe used.write(
            at: 4 + bytes * first, from: elements.address(of: 0, count: whole),
            count: bytes * whole)
        if whole < count {
            let rest = count - whole
            isWritten =
                unsafe isWritten
                && used.write(
                    at: 4, from: elements.address(of: whole, count: rest), count: bytes * rest)
        }
        nextUsed &+= UInt16(count)
        // The driver finds the elements, and the data, when it finds the index.
        atomicMemoryFence(ordering: .releasing)
        return used.store16(nextUsed, at: 2) && isWritten
    }

    /// Whether the driver wants an interrupt for what was published since the last decision.
    mutating func decideInterrupt() -> Bool {
        let former = signalled
        signalled = nextUsed
        // The driver sees the index, or the device sees what the driver asks for.
        atomicMemoryFence(ordering: .sequentiallyConsistent)
        guard let available else { return false }
        guard hasEventIndex else {
            // VIRTQ_AVAIL_F_NO_INTERRUPT.
            return (available.load16(at: 0) ?? 0) & 1 == 0
        }
        guard let former, let event = available.load16(at: 4 + 2 * size) else { return true }
        return Self.passes(event, from: former, to: nextUsed)
    }

    /// Whether an index that went from `former` to `next` has passed `event` (virtio 1.2, 2.7.10).
    private static func passes(_ event: UInt16, from former: UInt16, to next: UInt16) -> Bool {
        next &- event &- 1 < next &- former
    }

    // MARK: The memory of requests

    /// Copies `count` bytes at `address`; false unless they are memory in one piece.
    mutating func read(
        at address: GuestAddress, into target: UnsafeMutableRawPointer, count: Int
    ) -> Bool {
        unsafe view.read(at: address, into: target, count: count)
    }

    /// Copies 16 bytes, without a look at what is lost.
    @inline(__always)
    mutating func copy16(at address: GuestAddress, to target: UnsafeMutableRawPointer) -> Bool {
        unsafe view.copy16(at: address, to: target)
    }

    /// The same for 48 bytes.
    @inline(__always)
    mutating func copy48(at address: GuestAddress, to target: UnsafeMutableRawPointer) -> Bool {
        unsafe view.copy48(at: address, to: target)
    }

    /// Takes the data of a request that is RAM in one piece: see `RAMView.take`.
    @inline(__always)
    mutating func take(
        _ address: GuestAddress, length: UInt64, as piece: inout RAMPiece
    ) -> UnsafeMutableRawPointer? {
        unsafe view.take(address, length: length, as: &piece)
    }

    /// Holds the map for the data that was taken. Returns the number of bytes.
    mutating func keepTaken() -> UInt64 { view.keepTaken() }

    /// Releases the map that `slot` names for the data of `count` requests.
    mutating func release(_ slot: Int, count: Int) { view.release(slot, count: count) }

    /// Stores the status of a request.
    @inline(__always)
    mutating func store(_ status: UInt8, at address: GuestAddress) -> Bool {
        view.store(status, at: address)
    }
}
