internal import BlockState
import Glibc

// Saving and restoring the device. Guest memory and the image are the emulator's to save.
extension VirtioMMIO {
    static let stateFormat = StateFormat(magic: "BVIO", versions: 1...1)

    /// Waits for the requests under way, and returns all of the state that a driver can observe:
    /// registers, rings, and requests that an error policy keeps. The processors of the guest have
    /// stopped.
    ///
    /// Throws ``VirtioError/busy`` when requests are still under way after `timeout`; `nil`, the
    /// default, is no limit.
    public func save(timeout: Duration? = nil) throws(VirtioError) -> [UInt8] {
        let end = timeout.map { ContinuousClock.now + $0 }
        poll()
        while isBusy {
            if let end, ContinuousClock.now >= end { throw .busy }
            waitBriefly()
            poll()
        }
        do throws(StateError) {
            return try Self.stateFormat.write(saved())
        } catch {
            throw VirtioError(error)
        }
    }

    /// Sleeps until a descriptor is readable, but not long: not everything has a descriptor.
    func waitBriefly() {
        var entries = descriptors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        _ = unsafe Glibc.poll(&entries, nfds_t(entries.count), 10)
    }

    private func saved() -> SavedDevice {
        var saved = SavedDevice(queueCount: queues.count)
        saved.agreement.features = device.features.rawValue
        saved.agreement.isWriteCacheOn = device.isWriteCacheSwitchedOn
        saved.agreement.size = device.image.size
        let registers = registers.withLock { $0 }
        saved.registers.status = registers.status
        saved.registers.deviceFeaturesSelect = registers.deviceFeaturesSelect
        saved.registers.driverFeaturesSelect = registers.driverFeaturesSelect
        saved.registers.driverFeatures = registers.driverFeatures
        saved.registers.queueSelect = registers.queueSelect
        (saved.registers.interruptStatus, saved.registers.needsReset) = lineState
        for (index, queue) in registers.queues.enumerated() {
            var entry = SavedDevice.Queue(
                size: queue.size, isReady: queue.isReady, descriptors: queue.descriptors,
                available: queue.available, used: queue.used)
            withQueue(index) { running in
                guard running.isRunning else { return }
                entry.isRunning = true
                entry.nextAvailable = running.state.pointee.ring.nextAvailable
                entry.nextUsed = running.state.pointee.ring.nextUsed
                entry.keptHeads = running.keptHeads
            }
            saved.queues.queues[index] = entry
        }
        return saved
    }

    /// Restores a saved state. The device must have the same number of queues and an image of the same
    /// size, offer the features that the driver has accepted, and have nothing under way. Guest
    /// memory must have been restored before. The interrupt line is raised if it was.
    ///
    /// Requests that an error policy kept are begun again.
    ///
    /// The state may come from anywhere: all of it is checked before anything changes, and when
    /// this throws, the device is as it was. A ring that cannot be used, because the memory is not
    /// there, is as one that a driver has made: the device needs a reset.
    public func load(_ state: [UInt8]) throws(VirtioError) {
        guard !isBusy else { throw .busy }
        let saved: SavedDevice
        do throws(StateError) {
            saved = try Self.stateFormat.read(state, into: SavedDevice(queueCount: queues.count))
            try check(saved)
        } catch {
            throw VirtioError(error)
        }
        registers.withLock { registers in
            reset(&registers)
            restore(saved, &registers)
        }
        poll()
    }

    /// Whether this device can become what was saved. Changes nothing.
    private func check(_ saved: SavedDevice) throws(StateError) {
        let features = VirtioFeatures(rawValue: saved.agreement.features)
        guard features.isSubset(of: device.offeredFeatures) else {
            throw .mismatch(
                field: "agreement.features", reason: "the device does not offer all of them")
        }
        guard saved.agreement.size == device.image.size else {
            throw .mismatch(
                field: "agreement.size",
                reason: "the image had \(saved.agreement.size) bytes, and has "
                    + "\(device.image.size)")
        }
        let isAgreed = saved.registers.status & DeviceStatus.featuresOK != 0
        guard isAgreed == features.contains(.version1), isAgreed || features == [] else {
            throw .damaged(
                field: "agreement.features", reason: "they do not go with FEATURES_OK")
        }
        let isOK = saved.registers.status & DeviceStatus.driverOK != 0
        for (index, queue) in saved.queues.queues.enumerated() where queue.isRunning {
            let registers = MMIORegisters.Queue(queue)
            guard isOK,
                registers.layout.fault(maximumSize: device.options.maximumQueueSize) == nil
            else {
                throw .damaged(
                    field: "queues.queues[\(index)].isRunning", reason: "the ring cannot be used")
            }
        }
    }

    private func restore(_ saved: SavedDevice, _ registers: inout MMIORegisters) {
        if saved.agreement.features != 0 {
            _ = device.acceptFeatures(VirtioFeatures(rawValue: saved.agreement.features))
        }
        device.setWriteCache(saved.agreement.isWriteCacheOn)
        registers.status = saved.registers.status
        registers.deviceFeaturesSelect = saved.registers.deviceFeaturesSelect
        registers.driverFeaturesSelect = saved.registers.driverFeaturesSelect
        registers.driverFeatures = saved.registers.driverFeatures
        registers.queueSelect = saved.registers.queueSelect
        registers.queues = saved.queues.queues.map { MMIORegisters.Queue($0) }
        isDriverOK.store(
            saved.registers.status & DeviceStatus.driverOK != 0, ordering: .releasing)
        restoreLine(
            pending: saved.registers.interruptStatus, needsReset: saved.registers.needsReset)
        for (index, queue) in saved.queues.queues.enumerated() where queue.isRunning {
            queues[index].add(
                .resume(queue, registers.queues[index].layout, afterReset: resetNumber))
        }
    }
}

extension MMIORegisters.Queue {
    /// The registers of a queue that was saved.
    fileprivate init(_ saved: SavedDevice.Queue) {
        size = saved.size
        isReady = saved.isReady
        descriptors = saved.descriptors
        available = saved.available
        used = saved.used
    }
}
