import BlockDMA
import BlockIO
import GuestMemory
import Synchronization

/// A disk with six registers of 32 bits, which takes eight commands at a time.
final class DoorbellDisk: MMIODevice {
    /// What the disk says to the emulator, under its lock.
    enum Signal { case interrupt(isRaised: Bool), stopMachine }
    /// For the region of the registers: DMA to them is refused, and does not wait for the lock.
    let reentrancy = ReentrancyGuard()
    private let core: Mutex<Core>

    /// `wake` asks for a ``poll()``, from any thread, as a `queue.descriptor` that is readable does.
    init(
        _ queue: sending BlockQueue, on memory: AddressSpace, policy: ErrorPolicy,
        wake: @escaping @Sendable () -> Void, signal: @escaping @Sendable (Signal) -> Void
    ) throws {
        let mapper = try DMAMapper(memory, reentrancy: reentrancy, wake: wake)
        core = Mutex(Core(queue: queue, mapper: mapper, policy: policy, signal: signal))
    }

    func read(offset: UInt64, width: Int) -> UInt64? {
        width == 4 ? core.withLock { UInt64(offset == 0x14 ? $0.status : 0) } : nil
    }
    func write(offset: UInt64, width: Int, value: UInt64) -> Bool {
        if width == 4 { core.withLock { $0.write(offset, UInt32(truncatingIfNeeded: value)) } }
        return width == 4
    }
    func poll() { core.withLock { $0.poll() } }
    func resume() { core.withLock { $0.resume() } }
    func shutDown() { core.withLock { $0.shutDown() } }
}

private struct Command: ~Copyable {
    enum Verb: UInt32 { case read = 1, write, flush }
    var request: HostRequest
    var verb = Verb.flush
    var list = ScatterGatherList()
    var offset: UInt64 = 0
}

private struct Core: ~Copyable {
    let queue: BlockQueue
    let mapper: DMAMapper
    let policy: ErrorPolicy
    let signal: @Sendable (DoorbellDisk.Signal) -> Void
    var commands = InlineArray<8, Command> { Command(request: HostRequest(tag: UInt($0))) }
    var descriptors = [UInt64](repeating: 0, count: 2 * 256)
    var table: UInt64 = 0
    var count: UInt32 = 0
    var sector: UInt64 = 0
    var results: UInt32 = 0

    var isResetting: Bool { (0..<8).contains { commands[$0].request.state == .abandoned } }
    var status: UInt32 { results | (isResetting ? 1 << 31 : 0) }

    mutating func write(_ offset: UInt64, _ value: UInt32) {
        switch offset {
        case 0x00: table = table & ~0xFFFF_FFFF | UInt64(value)
        case 0x04: table = table & 0xFFFF_FFFF | UInt64(value) << 32
        case 0x08: count = value
        case 0x0C: sector = UInt64(value)
        case 0x10: ring(Int(value >> 8 & 7), Command.Verb(rawValue: value & 3))
        case 0x14: writeStatus(value)
        default: break
        }
    }

    /// A command comes with a free tag, or is lost. Everything is checked before anything moves.
    mutating func ring(_ tag: Int, _ verb: Command.Verb?) {
        guard let verb, !isResetting, commands[tag].request.state == .idle else { return }
        commands[tag].verb = verb
        if verb == .flush || describe(tag) { start(tag) } else { follow(.failed, tag) }
    }

    /// Reads the descriptors, once: the guest may change them at any time.
    mutating func describe(_ tag: Int) -> Bool {
        guard 1...256 ~= count, commands[tag].verb == .read || queue.image.access == .readWrite
        else { return false }
        let words = 2 * Int(count)
        let isRead = descriptors.withUnsafeMutableBytes { bytes in
            let bytes = UnsafeMutableRawBufferPointer(rebasing: bytes[..<(8 * words)])
            return (try? mapper.read(at: GuestAddress(table), into: bytes)) != nil
        }
        commands[tag].list.removeAll()
        for index in stride(from: 0, to: words, by: 2) {
            commands[tag].list.append(
                address: GuestAddress(UInt64(littleEndian: descriptors[index])),
                length: UInt64(littleEndian: descriptors[index + 1]) & 0xFFFF_FFFF)
        }
        commands[tag].offset = sector * 512
        guard isRead, let total = commands[tag].list.total, total % 512 == 0 else { return false }
        return sector * 512 + total <= queue.image.size
    }

    mutating func start(_ tag: Int) {
        let (verb, offset) = (commands[tag].verb, commands[tag].offset)
        guard verb != .flush else {
            return _ = queue.flush(userData: commands[tag].request.submit())
        }
        let (transfer, step) = mapper.begin(
            commands[tag].list, verb == .read ? .fromDevice : .toDevice, unit: 512,
            userData: UInt(tag))
        follow(commands[tag].request.begin(transfer, step, on: queue, at: offset), tag)
    }

    mutating func poll() {
        queue.poll { complete($0) }
        mapper.resume { transfer, step in
            let tag = Int(transfer.userData)
            follow(commands[tag].request.resume(transfer, step, on: queue), tag)
        }
    }

    mutating func complete(_ completion: BlockCompletion) {
        let tag = Int(completion.userData)
        var answer = commands[tag].request.complete(completion, on: queue)
        if answer == .failed {
            let action = policy.action(for: completion)
            if action == .stop { signal(.stopMachine) }
            answer = commands[tag].request.apply(action, to: completion, on: queue)
        }
        follow(answer, tag)
    }

    mutating func follow(_ answer: HostAnswer, _ tag: Int) {
        if answer == .pending || answer == .released { return }
        results |= answer.isSuccess ? 1 << tag : 0x101 << tag
        signal(.interrupt(isRaised: true))
    }

    /// Bit 31 begins a reset. What the host has begun ends in its own time, and the reset with it.
    mutating func writeStatus(_ value: UInt32) {
        let isReset = value >> 31 != 0
        if isReset { for tag in 0..<8 { commands[tag].request.abandon() } }
        results &= isReset ? 0 : ~value
        if results == 0 { signal(.interrupt(isRaised: false)) }
    }

    mutating func resume() {
        for tag in 0..<8 where commands[tag].request.retry() { start(tag) }
    }

    mutating func shutDown() {
        writeStatus(1 << 31)
        queue.close { complete($0) }
    }
}
