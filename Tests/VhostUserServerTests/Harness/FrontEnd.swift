import BlockIO
import BlockIOTesting
import CTestSupport
import Glibc
import GuestMemory
import VhostUserServer
import XCTest

@testable import TestSupport

/// A front end with a driver, guest memory, and rings. Its server is in this thread but for the threads of its
/// queues, or is another program. Where a method has no ring in its arguments, it is about the first.
///
/// Guest addresses are offsets in the memory; the front end has it at ``userBase``.
final class FrontEnd {
    private let ownServer: VhostUserServer?
    let socket: FrontEndSocket
    /// 8 MiB: rings from 10000h, requests from 80000h, data from 100000h.
    let memory: GuestRAM
    /// At most 4.
    let rings: [FrontEndRing]

    static let userBase: UInt64 = 0x7f00_0000_0000
    static let data: UInt64 = 0x10_0000
    static let memorySize = 8 << 20
    static let ringSize = FrontEndRing.size

    /// The features that a driver mostly accepts.
    static let usualFeatures =
        VhostFeature.version1 | VhostFeature.eventIndex | VhostFeature.indirect
        | VhostFeature.flush | VhostFeature.protocolFeatures | VhostFeature.configurableWriteCache
    /// All that the server offers but the log.
    static let usualProtocolFeatures =
        VhostFeature.multipleQueues | VhostFeature.replyAck | VhostFeature.config
        | VhostFeature.inflight | VhostFeature.reset | VhostFeature.memorySlots
        | VhostFeature.backEndRequests

    /// Connects to a server of its own.
    convenience init(
        _ image: BlockImage, _ options: VhostUserOptions = VhostUserOptions(),
        queue: QueueOptions = QueueOptions()
    ) throws {
        var ends: [CInt] = [-1, -1]
        try SystemCall.check(cts_socketpair(&ends), "socketpair")
        let server = try VhostUserServer(
            socket: ends[0], image: image, options: options, queue: queue)
        try self.init(server, ends[1], ringCount: options.queueCount)
    }

    /// The front end at the other end of a socket of `server`, which is another program if it is `nil`. Memory
    /// and rings of a former front end can be taken over.
    init(
        _ server: VhostUserServer?, _ socket: CInt, keeping former: FrontEnd? = nil,
        ringCount: Int = 1
    ) throws {
        ownServer = server
        self.socket = FrontEndSocket(socket) {
            if let server { try server.turn(milliseconds: 1) } else { usleep(200) }
        }
        let memory = try former?.memory ?? GuestRAM(size: Self.memorySize, sharing: .descriptor)
        self.memory = memory
        rings = try (0..<ringCount).map { index in
            try FrontEndRing(memory, index, keeping: former?.rings[index].driver)
        }
    }

    var driver: RingDriver { rings[0].driver }
    var kick: Descriptor { rings[0].kick }
    var call: Descriptor { rings[0].call }
    var error: Descriptor { rings[0].error }

    /// A server in this thread.
    var server: VhostUserServer {
        guard let ownServer else { preconditionFailure("the server is another program") }
        return ownServer
    }

    // MARK: Messages

    /// Sends a message that has to be accepted.
    func set(_ request: UInt32, _ body: [UInt8] = [], _ descriptors: [CInt] = []) throws {
        let answer = try socket.acknowledgement(request, body, descriptors)
        guard answer == 0 else { throw FixtureError.failed("message \(request): errno \(answer)") }
    }

    /// Accepts features. `protocolFeatures` have to contain acknowledgements.
    func negotiate(
        features: UInt64 = usualFeatures, protocolFeatures: UInt64 = usualProtocolFeatures,
        keepsRing: Bool = false
    ) throws {
        try socket.send(
            VhostMessage(
                request: VhostRequest.setProtocolFeatures, body: le(protocolFeatures)))
        try set(VhostRequest.setOwner)
        try set(VhostRequest.setFeatures, le(features))
        if keepsRing { return }
        for ring in rings {
            ring.clear(hasEventIndex: features & VhostFeature.eventIndex != 0)
        }
    }

    /// A region as messages have it.
    static func region(
        guest: UInt64, size: UInt64, user: UInt64, offset: UInt64 = 0
    ) -> [UInt8] { le(guest) + le(size) + le(user) + le(offset) }

    /// All of the memory, at the address 0.
    static let wholeMemory = region(guest: 0, size: UInt64(memorySize), user: userBase)

    func addMemory() throws {
        try set(VhostRequest.addMemReg, le(UInt64(0)) + Self.wholeMemory, [memory.descriptor])
    }

    /// SET_VRING_ADDR of a ring.
    func addresses(of driver: RingDriver, index: UInt32 = 0) -> [UInt8] {
        le(index) + le(UInt32(0)) + le(Self.userBase + driver.base)
            + le(Self.userBase + driver.used) + le(Self.userBase + driver.available)
            + le(UInt64(0))
    }

    /// Size, base, addresses and descriptors, in QEMU's order. The ring is not enabled.
    func setUpRing(base: UInt16 = 0, ring: Int = 0) throws {
        let (number, place, own) = (le(UInt32(ring)), le(UInt64(ring)), rings[ring])
        try set(VhostRequest.setVringNum, number + le(UInt32(own.driver.size)))
        try set(VhostRequest.setVringBase, number + le(UInt32(base)))
        try set(VhostRequest.setVringAddr, addresses(of: own.driver, index: UInt32(ring)))
        try set(VhostRequest.setVringErr, place, [own.error.raw])
        try set(VhostRequest.setVringKick, place, [own.kick.raw])
        try set(VhostRequest.setVringCall, place, [own.call.raw])
    }

    func enable(_ isEnabled: Bool = true, ring: Int = 0) throws {
        try set(VhostRequest.setVringEnable, le(UInt32(ring)) + le(UInt32(isEnabled ? 1 : 0)))
    }

    /// All of it, for all rings.
    func start() throws {
        try negotiate()
        try addMemory()
        for ring in rings.indices {
            try setUpRing(ring: ring)
            try enable(ring: ring)
        }
    }

    /// Stops the ring: its base.
    func stop(ring: Int = 0) throws -> UInt16 {
        let reply = try socket.ask(VhostRequest.getVringBase, le(UInt32(ring)) + le(UInt32(0)))
        return UInt16(reply.number(4, 4))
    }

    // MARK: Requests

    func header(_ index: Int) -> UInt64 { 0x8_0000 + UInt64(64 * index) }
    func status(_ index: Int) -> UInt8 { driver.load(header(index) + 32, as: UInt8.self) }
    static func place(_ index: Int) -> UInt64 { data + UInt64(index) << 16 }

    /// Adds a request of `length` bytes of data to the ring. The device sees it after `publish`.
    @discardableResult
    func add(
        _ type: UInt32, sector: UInt64 = 0, length: Int = 0, index: Int = 0, ring: Int = 0,
        isIndirect: Bool = false
    ) -> UInt16 {
        let driver = rings[ring].driver
        driver.store(type, at: header(index))
        driver.store(UInt32(0), at: header(index) + 4)
        driver.store(sector, at: header(index) + 8)
        driver.store(VirtioStatus.untouched, at: header(index) + 32)
        var segments = [RingDriver.Segment(address: header(index), length: 16)]
        if length > 0 {
            segments.append(
                .init(
                    address: Self.place(index), length: UInt32(length),
                    isWritable: type != VirtioType.write))
        }
        segments.append(.init(address: header(index) + 32, length: 1, isWritable: true))
        return driver.add(segments, isIndirect: isIndirect)
    }

    /// Shows the requests to the device, and notifies it if it wants that, or in any case.
    func publish(always: Bool = false, ring: Int = 0) {
        if rings[ring].driver.publish() || always { rings[ring].signal() }
    }

    /// Writes the kick descriptor.
    func signal() { rings[0].signal() }

    /// Waits until the driver finds `count` used requests, without a look at the call descriptor.
    @discardableResult
    func finish(_ count: Int, ring: Int = 0) throws -> [UInt16] {
        var used: [UInt16] = []
        try eventually("\(count) requests are used") {
            used += rings[ring].driver.reap().map(\.head)
            return used.count >= count
        }
        return used
    }

    /// Runs one request to its end: its status.
    func run(
        _ type: UInt32, sector: UInt64 = 0, length: Int = 0, index: Int = 0, ring: Int = 0
    ) throws -> UInt8 {
        add(type, sector: sector, length: length, index: index, ring: ring)
        publish(ring: ring)
        try finish(1, ring: ring)
        return status(index)
    }

    /// `count` bytes of the data of request `index`.
    func bytes(_ count: Int, index: Int = 0) -> [UInt8] {
        [UInt8](
            UnsafeRawBufferPointer(start: memory.base + Int(Self.place(index)), count: count))
    }

    func fill(_ bytes: [UInt8], index: Int = 0) {
        UnsafeMutableRawBufferPointer(
            start: memory.base + Int(Self.place(index)), count: bytes.count
        ).copyBytes(from: bytes)
    }

    /// Whether an eventfd has been written since the last look.
    static func take(_ event: Descriptor) -> Bool {
        var count: UInt64 = 0
        return read(event.raw, &count, 8) == 8
    }

    /// Makes an eventfd one in which a write waits, and full, whoever else writes it.
    static func fill(_ event: Descriptor) {
        XCTAssertEqual(fcntl(event.raw, F_SETFL, O_NONBLOCK), 0)
        var full = UInt64.max - 1
        while write(event.raw, &full, 8) != 8 { _ = take(event) }
        XCTAssertEqual(fcntl(event.raw, F_SETFL, 0), 0)
    }
}
