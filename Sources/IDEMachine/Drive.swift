import BlockATA
import BlockDMA
import BlockIO
import BlockIOTesting
import CommandLineSupport
import IDE

/// A drive in a slot of the machine, and what tests do to the host requests for it.
final class Drive {
    let slot: IDESlot
    let device: Device
    let faults = FaultInjector()
    /// What is plugged in.
    enum Device {
        case disk(ATADisk)
        case cdrom(CDROM)
    }

    private let openOptions: OpenOptions
    private var holds: [BlockOperation: FaultInjector.RuleID] = [:]

    /// Opens the image. `writeErrorPolicy` applies to a disk whose specification has no policy for
    /// failed writes.
    init(
        _ specification: DriveSpecification, bounceLimit: Int, writeErrorPolicy: ErrorPolicy
    ) throws {
        slot = specification.slot
        let serial = specification.serial ?? "BIO0000\(slot.rawValue + 1)"
        let queueOptions = QueueOptions(bounceLimit: bounceLimit)
            .decorated(by: [.holds(faults), .failures(faults)])
        openOptions = OpenOptions(
            access: specification.access, caching: specification.caching,
            lock: specification.lock,
            engine: specification.engine)
        var image: BlockImage?
        if !specification.path.isEmpty {
            let bytes = RawArguments.bytes(of: specification.path)
            image = try BlockImage.open(pathname: Pathname(bytes: bytes), openOptions)
        }
        guard let image, !specification.isCDROM else {
            var options = CDROMOptions(
                serial: serial, readErrorPolicy: specification.readErrorPolicy)
            if let firmware = specification.firmware {
                options.firmware = firmware
                // INQUIRY has room for less.
                options.revision = String(firmware.prefix(4))
            }
            device = .cdrom(try CDROM(image, options, queue: queueOptions))
            return
        }
        var options = DiskOptions()
        options.serial = serial
        options.geometry = specification.geometry
        if let firmware = specification.firmware { options.firmware = firmware }
        options.readErrorPolicy = specification.readErrorPolicy
        options.writeErrorPolicy = specification.writeErrorPolicy ?? writeErrorPolicy
        device = .disk(try ATADisk(image, options, queue: queueOptions))
    }

    /// Opens another image with the options of the first one.
    func open(_ path: String) throws(BlockError) -> BlockImage {
        try BlockImage.open(path, openOptions)
    }

    // MARK: Faults

    /// Whether a request waits to be released.
    var isHolding: Bool { faults.heldCount > 0 }

    /// Requests of this operation wait for ``release(_:)`` from now on. Injected faults apply when
    /// they are released.
    func hold(_ operation: BlockOperation) {
        if holds[operation] == nil {
            holds[operation] = faults.add(.init(.hold, operations: [operation]))
        }
    }

    /// Releases the held requests of this operation, and holds no more.
    func release(_ operation: BlockOperation) {
        guard let rule = holds.removeValue(forKey: operation) else { return }
        faults.remove(rule)
        faults.release(rule)
    }

    /// Releases all held requests.
    func releaseAll() {
        for operation in Array(holds.keys) { release(operation) }
    }

    /// Lets `after` requests of this operation pass, then fails the next `count`.
    func fail(_ operation: BlockOperation, errno: CInt, count: Int, after: Int) {
        faults.add(
            .init(.transientError(errno), operations: [operation], after: after, count: count))
    }
}
