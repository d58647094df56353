import BlockHost
import Glibc
import GuestMemory
import VirtioBlock

// "Ring states", "VHOST_USER_SET_VRING_*".
extension VhostUserSession {
    func setRingSize(_ body: MessageBody) throws(Refusal) -> Answer {
        let (index, size) = try ringState(body)
        guard !rings[index].isStarted else { throw Refusal(EBUSY) }
        guard size > 0, size <= options.queueSize, size & (size - 1) == 0 else {
            throw Refusal(EINVAL)
        }
        try change(index) { $0.size = Int(size) }
        return .acknowledgement
    }

    func setRingBase(_ body: MessageBody) throws(Refusal) -> Answer {
        let (index, base) = try ringState(body)
        guard !rings[index].isStarted else { throw Refusal(EBUSY) }
        guard let base = UInt16(exactly: base) else { throw Refusal(EINVAL) }
        rings[index].base = base
        return .acknowledgement
    }

    /// Addresses are those of the front end's own. A front end may repeat them while the ring runs.
    func setRingAddresses(_ body: MessageBody) throws(Refusal) -> Answer {
        guard body.count == 40, let number = body.u32(0), let flags = body.u32(4),
            let descriptors = body.u64(8), let used = body.u64(16), let available = body.u64(24)
        else { throw Refusal(EINVAL) }
        let index = try ringIndex(UInt64(number))
        guard flags & ~VhostUser.RingFlags.log == 0 else { throw Refusal(EINVAL) }
        let addresses = RingSetup.Addresses(
            descriptors: descriptors, available: available, used: used)
        if rings[index].isStarted {
            guard rings[index].addresses == addresses else { throw Refusal(EBUSY) }
            return .acknowledgement
        }
        try change(index) { $0.addresses = addresses }
        return .acknowledgement
    }

    func setRingEnabled(_ body: MessageBody) throws(Refusal) -> Answer {
        let (index, value) = try ringState(body)
        guard value <= 1 else { throw Refusal(EINVAL) }
        rings[index].isEnabled = value == 1
        threads[index].run { $0.setEnabled(value == 1) }
        return .acknowledgement
    }

    // MARK: Descriptors

    /// With a descriptor for kicks, or without one, the ring starts. The ring does not wait for a kick: the
    /// driver may have made requests before.
    func setKick(_ body: MessageBody) throws(Refusal) -> Answer {
        let (index, descriptor) = try ringDescriptor(body)
        let errno = threads[index].run { $0.setKick(descriptor ?? -1, isPolled: descriptor == nil) }
        guard errno == 0 else { throw Refusal(errno) }
        try change(index) { $0.hasKick = true }
        return .acknowledgement
    }

    func setCall(_ body: MessageBody) throws(Refusal) -> Answer {
        let (index, descriptor) = try ringEvent(body)
        do throws(SystemCallError) {
            try threads[index].setCall(descriptor)
        } catch {
            if descriptor >= 0 { close(descriptor) }
            throw Refusal(error.errno)
        }
        return .acknowledgement
    }

    func setError(_ body: MessageBody) throws(Refusal) -> Answer {
        let (index, descriptor) = try ringEvent(body)
        threads[index].run { $0.setError(descriptor) }
        return .acknowledgement
    }

    // MARK: Start and stop

    /// Takes note of what the front end says of a ring, and starts the ring if that was the last that it needs. If
    /// it cannot be started, the message counts for nothing: the front end may repeat what it has said in any order.
    private func change(
        _ index: Int, _ set: (inout RingSetup) -> Void
    ) throws(Refusal) {
        let former = rings[index]
        set(&rings[index])
        do throws(Refusal) {
            try startIfComplete(index)
        } catch {
            rings[index] = former
            throw error
        }
    }

    private func startIfComplete(_ index: Int) throws(Refusal) {
        let ring = rings[index]
        guard !ring.isStarted, ring.hasKick, ring.size > 0, ring.addresses != nil else { return }
        // The device has no other rings than those of version 1.
        guard device.features.contains(.version1) else { throw Refusal(EINVAL) }
        guard let layout = layout(ring) else {
            threads[index].run { $0.signalError() }
            throw Refusal(EFAULT)
        }
        try start(index, layout)
        rings[index].isStarted = true
    }

    /// Where the ring is, as descriptors see it; `nil` unless it is in memory.
    private func layout(_ ring: RingSetup) -> VirtqueueLayout? {
        let size = ring.size
        guard let addresses = ring.addresses,
            let descriptors = memory.guestAddress(ofUser: addresses.descriptors, count: 16 * size),
            let available = memory.guestAddress(ofUser: addresses.available, count: 6 + 2 * size),
            let used = memory.guestAddress(ofUser: addresses.used, count: 6 + 8 * size)
        else { return nil }
        return VirtqueueLayout(
            size: size, descriptors: descriptors, available: available, used: used)
    }

    private func start(_ index: Int, _ layout: VirtqueueLayout) throws(Refusal) {
        let ring = rings[index]
        var log: (region: InflightRegion, index: Int)?
        if let inflight {
            guard index < inflight.queueCount, layout.size <= inflight.queueSize else {
                throw Refusal(EINVAL)
            }
            log = (inflight, index)
        }
        // Without the protocol features there is no message that enables a ring.
        let isEnabled =
            ring.isEnabled ?? (features & VhostUser.Feature.protocolFeatures == 0)
        let start = ServedQueue.Start(
            layout: layout, nextAvailable: ring.base, inflight: log, isEnabled: isEnabled)
        let isUsable = threads[index].run { queue -> Bool in
            do throws(VirtioError) {
                try queue.start(start)
                return true
            } catch {
                return false
            }
        }
        guard isUsable else { throw Refusal(EINVAL) }
    }

    /// Rings that run take no more requests, until ``resumeRings()``. One that breaks a rule stays as it is.
    func pauseRings() {
        for index in rings.indices where rings[index].isStarted && !rings[index].isPaused {
            rings[index].isPaused = threads[index].run { $0.pause() }
        }
    }

    /// Whether the rings that were paused have no request under way any more.
    var arePausedRingsStopped: Bool {
        for index in rings.indices where rings[index].isPaused {
            guard let next = stoppedIndex(index) else { return false }
            rings[index].base = next
        }
        return true
    }

    /// Paused rings whose memory is there go on where they were.
    func resumeRings() {
        for index in rings.indices where rings[index].isPaused {
            guard let layout = layout(rings[index]) else { continue }
            rings[index].isPaused = false
            // It has broken a rule when it was paused, and waits for GET_VRING_BASE.
            if threads[index].run({ $0.isBroken }) { continue }
            do throws(Refusal) {
                try start(index, layout)
            } catch {
                // The error descriptor says so. The front end can start the ring anew.
                rings[index].isStarted = false
                rings[index].addresses = nil
            }
        }
    }

    func getRingBase(_ header: VhostUserHeader, _ body: MessageBody) throws(Refusal) -> Answer {
        let (index, _) = try ringState(body)
        stop(index)
        return .later(.ringBase(index, header))
    }

    /// "VHOST_USER_GET_VRING_BASE": the ring, its descriptors and its addresses are forgotten.
    func replyWithBase(_ header: VhostUserHeader, _ index: Int, _ base: UInt16) {
        // The front end looks at the log when it has the reply.
        moveLog()
        rings[index].base = base
        rings[index].addresses = nil
        var writer = ReplyWriter(header.request, flags: VhostUser.HeaderFlags.reply)
        writer.put(UInt32(truncatingIfNeeded: index))
        writer.put(UInt32(base))
        send(writer)
    }

    /// All rings stop; the driver begins anew.
    func reset(_ header: VhostUserHeader) -> Answer {
        for index in rings.indices { stop(index) }
        features = 0
        return .later(.reset(header))
    }

    /// All rings have stopped: what the front end has said of them is forgotten, but for their descriptors of calls
    /// and errors, which QEMU gives once.
    func forgetRings() {
        for index in rings.indices { rings[index] = RingSetup() }
        inflight = nil
    }

    private func stop(_ index: Int) {
        rings[index].hasKick = false
        rings[index].isPaused = false
        threads[index].run {
            $0.setKick(-1, isPolled: false)
            $0.stop()
        }
    }

    /// Forgets everything that the front end has said of a ring, which stops.
    func disconnectRing(_ index: Int) {
        rings[index] = RingSetup()
        threads[index].run { $0.disconnect() }
    }

    /// Where the ring goes on; `nil` while requests are under way.
    func stoppedBase(_ index: Int) -> UInt16? {
        let former = rings[index]
        guard let next = stoppedIndex(index) else { return nil }
        rings[index].isStarted = false
        return former.isStarted ? next : former.base
    }

    /// Where the next request of a ring is that has stopped.
    private func stoppedIndex(_ index: Int) -> UInt16? {
        threads[index].run { queue in queue.phase == .stopped ? queue.nextAvailable : nil }
    }

    var areAllStopped: Bool { rings.indices.allSatisfy { stoppedBase($0) != nil } }

    // MARK: Parameters

    private func ringIndex(_ number: UInt64) throws(Refusal) -> Int {
        guard let index = Int(exactly: number), rings.indices.contains(index) else {
            throw Refusal(EINVAL)
        }
        return index
    }

    /// "A vring state description": the number of a ring, and a number.
    private func ringState(_ body: MessageBody) throws(Refusal) -> (index: Int, value: UInt32) {
        guard body.count == 8, let number = body.u32(0), let value = body.u32(4) else {
            throw Refusal(EINVAL)
        }
        return (try ringIndex(UInt64(number)), value)
    }

    /// The number of a ring, and the descriptor that came with it; `nil` when there is to be none.
    private func ringDescriptor(
        _ body: MessageBody
    ) throws(Refusal) -> (index: Int, descriptor: CInt?) {
        guard body.count == 8, let value = body.u64(0) else { throw Refusal(EINVAL) }
        let index = try ringIndex(value & VhostUser.RingMessage.indexMask)
        if value & VhostUser.RingMessage.noDescriptor != 0 { return (index, nil) }
        guard reader.descriptorCount == 1, let descriptor = reader.takeDescriptor(0) else {
            throw Refusal(EBADF)
        }
        return (index, descriptor)
    }

    /// The same for a descriptor that the server writes; -1 when there is to be none.
    private func ringEvent(
        _ body: MessageBody
    ) throws(Refusal) -> (index: Int, descriptor: CInt) {
        let (index, descriptor) = try ringDescriptor(body)
        guard let descriptor else { return (index, -1) }
        let errno = SharedEvent.prepare(descriptor)
        guard errno == 0 else {
            close(descriptor)
            throw Refusal(errno)
        }
        return (index, descriptor)
    }
}
