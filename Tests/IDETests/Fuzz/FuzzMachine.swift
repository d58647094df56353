import BlockATA
import BlockDMA
import BlockIO
import BlockIOTesting
import GuestMemory
import IDE
import XCTest
@testable import TestSupport

/// What a fuzzed controller must not have done.
struct FuzzFinding: Error { let text: String }

/// A machine that knows, for each thing its guest does, what may change by it.
final class FuzzMachine: IDEControllerDelegate {
    /// Firmware puts the bus master's ports here, and in native mode the rest where compatibility
    /// mode has it.
    static let busMaster: UInt16 = 0xC000
    static let busMasterBAR = 4

    /// Of the primary channel, and of the secondary one.
    static let controlPorts = [ChannelPort.primary, ChannelPort.secondary].map {
        $0 + CommandBlock.control
    }
    static let busMasterStatusPorts = [0, 1].map {
        busMaster + UInt16(busMasterOffset(BusMasterRegister.status, channel: $0))
    }

    /// Where a channel's register is in the registers of both.
    static func busMasterOffset(_ register: UInt16, channel: Int) -> Int {
        Int(BusMasterRegister.secondChannel) * channel + Int(register)
    }

    let memory: FuzzMemory
    let faults: FaultInjector
    private(set) var controller: IDEController
    let identity: IDEIdentity
    let engine: EngineKind
    let bounce: MachineConfiguration.Bounce
    private(set) var plugs: [(slot: IDESlot, plug: Plug)] = []
    let discs: [BlockImage]
    let discFiles: [FuzzFile]
    private var rules: [FaultInjector.Rule] = []
    private var ruleIDs: [FaultInjector.RuleID] = []

    /// What is plugged in.
    enum Plug {
        case disk(FuzzFile, BlockImage, DiskOptions)
        case cdrom(CDROMOptions)
    }

    // MARK: What the guest has done

    /// One channel as the guest's accesses make it.
    struct Channel {
        /// Device control, if it is known.
        var control: UInt8? = 0
        var table: UInt32 = 0
        /// What the device register may be when the command register is written.
        var devices: [UInt8] = []
        /// The last command, and the last packet.
        var opcode: UInt8 = 0
        var packet: UInt8 = 0
        /// Where the last transfer went that wrote memory.
        var ranges: [Range<UInt64>] = []
        /// What the last command may write, and where.
        var sectors: (slot: IDESlot, range: Range<UInt64>)?
        /// Policy `stop` keeps a request.
        var isStopped = false
    }

    var channels = [Channel(), Channel()]
    /// A request that was kept is being run again.
    var isResuming = false
    /// A state that nobody saved has been loaded, or ports have been moved: what the guest does is no
    /// longer known, and only what holds for every guest is checked.
    var isUnknown = false
    /// Lines as last heard of.
    var levels: [IDEInterrupt: Bool] = [:]
    /// Of the step that is being made.
    var step = Step()
    var finding: String?
    var tally = Tally()

    struct Step {
        var events = 0
        var hasFailed = false
        var hasRisen: [IDEInterrupt] = []
        /// The interrupt bit of a channel may be other than the device's interrupts say.
        var excuses = [false, false]
    }

    /// How much of everything there was.
    struct Tally {
        var accesses = 0, commands = 0, packets = 0, tables = 0, transfers = 0, failures = 0
        var interrupts = 0, stops = 0, saves = 0, moves = 0, damaged = 0, resets = 0, media = 0
        var checks = 0, faults = 0, changed = 0
        var mostEvents = 0, mostAccesses = 0
    }

    init(_ files: FuzzFiles, _ random: inout SplitMix64, round: Int) throws {
        engine = EngineKind.allCases[round % 3]
        bounce = MachineConfiguration.Bounce.allCases[round / 3 % 3]
        identity = [.piix3, .cmd646, .piix4, IDEIdentity.piix3.native][round / 2 % 4]
        memory = try FuzzMemory(&random)
        faults = FaultInjector(seed: random.next())
        let engine = engine
        discFiles = files.discs
        discs = try files.discs.map {
            try BlockImage.open($0.path, OpenOptions(engine: .forced(engine), inlineLimit: 0))
        }
        controller = try Self.controller(identity, memory.space, bounce)
        for file in files.all { file.fill(&random) }
        try choosePlugs(files, &random)
        try build()
        addFaults(&random)
    }

    deinit { memory.peer.isHolding = false }

    private static func controller(
        _ identity: IDEIdentity, _ space: AddressSpace, _ bounce: MachineConfiguration.Bounce
    ) throws -> IDEController {
        try IDEController(
            identity: identity, memory: space,
            options: IDEOptions(
                forceBounce: bounce == .forced, bounceLimit: bounce == .small ? 512 : nil,
                dmaCache: bounce != .small))
    }

    private func choosePlugs(_ files: FuzzFiles, _ random: inout SplitMix64) throws {
        let layouts: [[(IDESlot, Int?)]] = [
            [
                (.primaryMaster, 0), (.primarySlave, 1), (.secondaryMaster, nil),
                (.secondarySlave, 2),
            ],
            [(.primaryMaster, nil), (.primarySlave, 0), (.secondaryMaster, 1)],
            [(.primaryMaster, 0), (.secondarySlave, nil)],
            [(.primarySlave, nil), (.secondaryMaster, 0), (.secondarySlave, 1)],
        ]
        for (slot, number) in layouts[random.number(0...3)] {
            guard let number else {
                plugs.append((slot, .cdrom(CDROMOptions(readErrorPolicy: policy(&random)))))
                continue
            }
            // The last one is write-protected.
            let access: OpenOptions.Access = number == 2 ? .readOnly : .readWrite
            let caching: OpenOptions.Caching =
                engine != .linuxAIO && random.number(0...1) == 0 ? .buffered : .direct
            let file = files.disks[number]
            let image = try BlockImage.open(
                file.path,
                OpenOptions(
                    access: access, caching: caching, engine: .forced(engine), inlineLimit: 0))
            let options = DiskOptions(
                readErrorPolicy: policy(&random), writeErrorPolicy: policy(&random))
            plugs.append((slot, .disk(file, image, options)))
        }
    }

    private func policy(_ random: inout SplitMix64) -> ErrorPolicy {
        ErrorPolicy.allCases[random.number(0...ErrorPolicy.allCases.count - 1)]
    }

    /// Now and then a host is out of order.
    private func addFaults(_ random: inout SplitMix64) {
        for (fault, probability) in [
            (.transientError(EIO), 0.02), (.transientError(ENOSPC), 0.02), (.short(512), 0.02),
            (.short(1), 0.01),
            (.delay(.microseconds(20)), 0.002), (.hold, 0.01), (.reorder, 0.02), (.refuse, 0.01),
        ] as [(FaultInjector.Fault, Double)] where random.number(0...3) > 0 {
            rules.append(.init(fault, probability: probability))
        }
        goOn()
    }

    func goOn() { ruleIDs = rules.map { faults.add($0) } }

    func pauseFaults() {
        for id in ruleIDs { faults.remove(id) }
        ruleIDs = []
    }

    /// Plugs everything into the controller.
    private func build() throws {
        controller.delegate = self
        let options = QueueOptions(
            depth: 4, maximumThreads: 2, bounceLimit: bounce == .usual ? 1 << 20 : 512
        ).checked(with: faults)
        for (slot, plug) in plugs {
            switch plug {
            case .disk(_, let image, let own):
                try controller.attach(try ATADisk(image, own, queue: options), to: slot)
            case .cdrom(let own):
                try controller.attach(try CDROM(discs[0], own, queue: options), to: slot)
            }
        }
        try memory.attach(controller)
        controller.trace = { [unowned self] in note($0) }
        enable()
    }

    /// The same drives on a new controller, as after a move to another process.
    func replaceController() throws {
        controller.delegate = nil
        controller.trace = nil
        let media = Dictionary(
            uniqueKeysWithValues: cdroms.map { ($0, controller.medium(in: $0)) })
        levels = [:]
        controller = try Self.controller(identity, memory.space, bounce)
        try build()
        for (slot, image) in media where image !== discs[0] {
            try controller.changeMedium(slot, to: image)
        }
    }

    /// Configuration as firmware leaves it.
    func enable(_ command: UInt16 = PCICommandBits.io | PCICommandBits.busMaster) {
        // A control block has its register at offset 2.
        let (primary, secondary) = (ChannelPort.primary, ChannelPort.secondary)
        let bases = [
            primary, primary + CommandBlock.control - 2, secondary,
            secondary + CommandBlock.control - 2, Self.busMaster,
        ]
        for (bar, base) in bases.enumerated() {
            controller.writeConfiguration(
                PCIOffset.firstBAR + 4 * bar, width: 4, value: UInt32(base))
        }
        controller.writeConfiguration(PCIOffset.command, width: 2, value: UInt32(command))
    }

    var cdroms: [IDESlot] {
        plugs.compactMap { if case .cdrom = $0.plug { $0.slot } else { nil } }
    }

    func disk(in slot: IDESlot) -> FuzzFile? {
        for plug in plugs where plug.slot == slot {
            if case .disk(let file, _, _) = plug.plug { return file }
        }
        return nil
    }

    /// Disks that the guest can write.
    var disks: [(slot: IDESlot, file: FuzzFile)] {
        plugs.compactMap {
            guard case .disk(let file, let image, _) = $0.plug, image.access == .readWrite
            else { return nil }
            return ($0.slot, file)
        }
    }

    var hasDrives: [Bool] {
        [0, 1].map { channel in plugs.contains { $0.slot.rawValue >> 1 == channel } }
    }

    /// As in failures.
    var description: String {
        "\(identity.isNative ? "native" : "compatibility") \(String(identity.device, radix: 16)), "
            + "\(engine), bounce \(bounce), \(plugs.map(\.slot))"
    }
}

/// The images of all rounds.
final class FuzzFiles {
    private let mount: DetachedMount
    let disks: [FuzzFile]
    let discs: [FuzzFile]

    init() throws {
        let mount = try orSkip(DetachedMount.tmpfs(size: 8 << 20))
        self.mount = mount
        disks = try (0..<3).map { try FuzzFile(mount.path("disk\($0)"), size: 512 * 512) }
        // What is left over of a block is not the guest's.
        let blocks = try [128 * 2048, 40 * 2048 + 512].enumerated().map {
            try FuzzFile(mount.path("disc\($0.offset)"), size: $0.element)
        }
        discs = blocks + [try FuzzFile(mount.path("raw"), size: 128 * 2352, isRaw: true)]
    }

    deinit { mount.close() }

    var all: [FuzzFile] { disks + discs }
}
