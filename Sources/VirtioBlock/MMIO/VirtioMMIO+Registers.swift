// The registers (virtio 1.2, 4.2.2). An access of another width, or to a register that does not
// exist, reads 0 and writes nothing.
extension VirtioMMIO {
    /// "virt".
    private static let magic: UInt32 = 0x7472_6976
    /// A block device (virtio 1.2, 5).
    private static let blockDevice: UInt32 = 2
    /// Assigned by nobody: "BIO".
    private static let vendor: UInt32 = 0x004F_4942

    /// A read of a register, or of the configuration space.
    public func read(offset: UInt64, width: Int) -> UInt64? {
        if offset >= MMIORegister.configuration {
            let place = Int(clamping: offset - MMIORegister.configuration)
            return device.readConfiguration(at: place, width: width)
        }
        return width == 4 ? UInt64(readRegister(offset)) : 0
    }

    private func readRegister(_ offset: UInt64) -> UInt32 {
        switch offset {
        case MMIORegister.magic: return Self.magic
        case MMIORegister.version: return 2
        case MMIORegister.deviceID: return Self.blockDevice
        case MMIORegister.vendorID: return Self.vendor
        case MMIORegister.interruptStatus: return lineState.pending
        case MMIORegister.status: return status
        case MMIORegister.configurationGeneration: return device.configurationGeneration
        // No region of shared memory: its length and its address are all ones.
        case MMIORegister.sharedMemoryLengthLow...MMIORegister.sharedMemoryBaseHigh:
            return .max
        default: return registers.withLock { readQueueRegister(offset, $0) }
        }
    }

    private func readQueueRegister(_ offset: UInt64, _ registers: MMIORegisters) -> UInt32 {
        switch offset {
        case MMIORegister.deviceFeatures:
            return MMIORegisters.half(
                device.offeredFeatures.rawValue, registers.deviceFeaturesSelect)
        case MMIORegister.queueSizeMaximum:
            return registers.selected == nil ? 0 : UInt32(device.options.maximumQueueSize)
        case MMIORegister.queueReady:
            guard let index = registers.selected else { return 0 }
            let isBusy = registers.queues[index].isReady || queues[index].isResetting
            return isBusy ? 1 : 0
        default: return 0
        }
    }

    /// The status register. A reset has ended when the host has none of the requests from before.
    private var status: UInt32 {
        let status = registers.withLock(\.status)
        let isResetting = status == 0 && queues.contains { $0.isResetting }
        return status | (isResetting || lineState.needsReset ? DeviceStatus.needsReset : 0)
    }

    /// A write of a register, or of the configuration space.
    public func write(offset: UInt64, width: Int, value: UInt64) -> Bool {
        if offset >= MMIORegister.configuration {
            let place = Int(clamping: offset - MMIORegister.configuration)
            _ = device.writeConfiguration(at: place, width: width, value: value)
        } else if width == 4 {
            writeRegister(offset, UInt32(truncatingIfNeeded: value))
        }
        return true
    }

    private func writeRegister(_ offset: UInt64, _ value: UInt32) {
        switch offset {
        case MMIORegister.queueNotify:
            if Int(value) < queues.count { notify(Int(value)) }
        case MMIORegister.interruptAcknowledge: acknowledge(value)
        case MMIORegister.status:
            registers.withLock { writeStatus(value, &$0) }
            settleAll()
        case MMIORegister.queueReady:
            registers.withLock { writeReady(value, &$0) }
            settleAll()
        default: registers.withLock { writeSetting(offset, value, &$0) }
        }
    }

    /// The registers that only keep what is written.
    private func writeSetting(_ offset: UInt64, _ value: UInt32, _ registers: inout MMIORegisters) {
        switch offset {
        case MMIORegister.deviceFeaturesSelect: registers.deviceFeaturesSelect = value
        case MMIORegister.driverFeaturesSelect: registers.driverFeaturesSelect = value
        case MMIORegister.driverFeatures:
            // What was agreed on stays.
            guard registers.status & DeviceStatus.featuresOK == 0,
                registers.driverFeaturesSelect < 2
            else { return }
            MMIORegisters.setHalf(
                &registers.driverFeatures, isHigh: registers.driverFeaturesSelect == 1, value)
        case MMIORegister.queueSelect: registers.queueSelect = value
        default:
            // A queue that is ready stays as it is.
            guard let index = registers.selected, !registers.queues[index].isReady else { return }
            writePlace(offset, value, &registers.queues[index])
        }
    }

    private func writePlace(
        _ offset: UInt64, _ value: UInt32, _ queue: inout MMIORegisters.Queue
    ) {
        switch offset {
        case MMIORegister.queueSize: queue.size = value
        case MMIORegister.descriptorsLow, MMIORegister.descriptorsHigh:
            MMIORegisters.setHalf(
                &queue.descriptors, isHigh: offset == MMIORegister.descriptorsHigh, value)
        case MMIORegister.availableLow, MMIORegister.availableHigh:
            MMIORegisters.setHalf(
                &queue.available, isHigh: offset == MMIORegister.availableHigh, value)
        case MMIORegister.usedLow, MMIORegister.usedHigh:
            MMIORegisters.setHalf(&queue.used, isHigh: offset == MMIORegister.usedHigh, value)
        default: break
        }
    }

    // MARK: Status and queues

    private func writeStatus(_ value: UInt32, _ registers: inout MMIORegisters) {
        guard value != 0 else { return reset(&registers) }
        let former = registers.status
        // Only a reset clears bits.
        var status = (value & 0xFF & ~DeviceStatus.needsReset) | former
        if status & DeviceStatus.featuresOK != 0 && former & DeviceStatus.featuresOK == 0 {
            let features = VirtioFeatures(rawValue: registers.driverFeatures)
            if !device.acceptFeatures(features) { status &= ~DeviceStatus.featuresOK }
        }
        // Without features that were agreed on, the driver cannot drive the device.
        if status & DeviceStatus.featuresOK == 0 { status &= ~DeviceStatus.driverOK }
        registers.status = status
        let isOK = status & DeviceStatus.driverOK != 0
        isDriverOK.store(isOK, ordering: .releasing)
        guard isOK && former & DeviceStatus.driverOK == 0 else { return }
        for index in queues.indices { addStart(index, registers) }
    }

    /// All as after power-on. What the host has of before completes in its own time.
    func reset(_ registers: inout MMIORegisters) {
        isDriverOK.store(false, ordering: .releasing)
        for queue in queues { queue.add(.reset) }
        device.reset()
        _ = device.noteSize()
        // After the jobs: what is served from here on is no ring of before.
        resetLine()
        registers = MMIORegisters(
            queueCount: queues.count, maximumQueueSize: device.options.maximumQueueSize)
    }

    private func writeReady(_ value: UInt32, _ registers: inout MMIORegisters) {
        guard let index = registers.selected else { return }
        let isReady = value & 1 != 0
        guard isReady != registers.queues[index].isReady else { return }
        registers.queues[index].isReady = isReady
        if !isReady { return queues[index].add(.reset) }
        if registers.status & DeviceStatus.driverOK != 0 { addStart(index, registers) }
    }

    /// Starts a queue, if the driver has made it ready. A ring that cannot be used breaks the device.
    private func addStart(_ index: Int, _ registers: MMIORegisters) {
        guard registers.queues[index].isReady else { return }
        queues[index].add(.start(registers.queues[index].layout, afterReset: resetNumber))
    }
}
