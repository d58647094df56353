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
        rings[index].size = Int(size)
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
        rings[index].addresses = addresses
        try startIfComplete(index)
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
        rings[index].hasKick = true
        try startIfComplete(index)
        return .acknowledgement
    }

    func setCall(_ body: MessageBody) throws(Refusal) -> Answer {
        let (index, descriptor) = try ringDescriptor(body)
        threads[index].run { $0.setCall(descriptor ?? -1) }
        return .acknowledgement
    }

    func setError(_ body: MessageBody) throws(Refusal) -> Answer {
        let (index, descriptor) = try ringDescriptor(body)
        threads[index].run { $0.setError(descriptor ?? -1) }
        return .acknowledgement
    }

    // MARK: Start and stop

    private func startIfComplete(_ index: Int) throws(Refusal) {
        let ring = rings[index]
        guard !ring.isStarted, ring.hasKick, ring.size > 0, let addresses = ring.addresses else {
            return
        }
        let size = ring.size
        guard
            let descriptors = memory.guestAddress(ofUser: addresses.descriptors, count: 16 * size),
            let available = memory.guestAddress(ofUser: addresses.available, count: 6 + 2 * size),
            let used = memory.guestAddress(ofUser: addresses.used, count: 6 + 8 * size)
        else {
            threads[index].run { $0.signalError() }
            throw Refusal(EFAULT)
        }
        var log: (region: InflightRegion, index: Int)?
        if let inflight {
            guard index < inflight.queueCount, size <= inflight.queueSize else {
                throw Refusal(EINVAL)
            }
            log = (inflight, index)
        }
        // Without the protocol features there is no message that enables a ring.
        let isEnabled =
            ring.isEnabled ?? (features & VhostUser.Feature.protocolFeatures == 0)
        let start = ServedQueue.Start(
            layout: VirtqueueLayout(
                size: size, descriptors: descriptors, available: available, used: used),
            nextAvailable: ring.base, inflight: log, isEnabled: isEnabled)
        let isUsable = threads[index].run { queue -> Bool in
            do throws(VirtioError) {
                try queue.start(start)
                return true
            } catch {
                return false
            }
        }
        guard isUsable else { throw Refusal(EINVAL) }
        rings[index].isStarted = true
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
        var writer = ReplyWriter(header.request, flags: VhostUser.HeaderFlags.reply)
        writer.put(UInt32(truncatingIfNeeded: index))
        writer.put(UInt32(base))
        send(writer)
    }

    /// All rings stop; the driver begins anew.
    func reset(_ header: VhostUserHeader) -> Answer {
        for index in rings.indices {
            stop(index)
            rings[index].isEnabled = false
        }
        features = 0
        return .later(.reset(header))
    }

    private func stop(_ index: Int) {
        rings[index].hasKick = false
        threads[index].run {
            $0.setKick(-1, isPolled: false)
            $0.stop()
        }
    }

    /// Forgets everything that the front end has said of a ring, which stops.
    func disconnectRing(_ index: Int) {
        stop(index)
        rings[index] = RingSetup()
        threads[index].run {
            $0.setCall(-1)
            $0.setError(-1)
        }
    }

    /// Where the ring goes on; `nil` while requests are under way.
    func stoppedBase(_ index: Int) -> UInt16? {
        let former = rings[index]
        let next = threads[index].run { queue -> UInt16? in
            queue.phase == .stopped ? queue.nextAvailable : nil
        }
        guard let next else { return nil }
        rings[index].isStarted = false
        return former.isStarted ? next : former.base
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
}
