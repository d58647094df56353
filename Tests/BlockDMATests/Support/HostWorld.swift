import BlockDMA
import BlockIO
import BlockIOTesting
import Glibc
import GuestMemory

@testable import TestSupport

/// A device without registers: four host requests on a queue of a real image, and a guest's memory.
///
/// Nothing is delivered before the test says so, so that a request stays under way as long as it likes.
final class HostWorld {
    /// Bytes of the image.
    static let size = 1 << 20
    /// Bytes of the pool of bounce buffers, and so the most that a bounced piece has.
    static let bounceLimit = 4096
    /// 1 MiB of RAM.
    static let ram: GuestAddress = 0
    /// 64 KiB in another process.
    static let remote: GuestAddress = 0x50_0000
    /// Nothing is mapped here.
    static let hole: GuestAddress = 0x60_0000
    static let tags = 4

    let faults = FaultInjector()
    let queue: BlockQueue
    let space: AddressSpace
    let memory: GuestRAM
    let peer = HeldPeer()
    let mapper: DMAMapper
    let requests: UnsafeMutablePointer<HostRequest>
    /// What each request was answered, but for `pending`.
    var answers: [[HostAnswer]] = Array(repeating: [], count: tags)
    /// The completions that were failures, which policies decide about.
    var failures: [BlockCompletion] = []
    private let plain: PlainFile

    init(_ configuration: Configuration, _ target: StorageTarget, memory: GuestRAM? = nil) throws {
        plain = try PlainFile(target.path, direct: false)
        queue = try configuration.queue(
            on: try configuration.open(target),
            QueueOptions().checked(with: faults))
        space = try AddressSpace(bounceLimit: Self.bounceLimit)
        self.memory = try memory ?? GuestRAM(size: Self.size)
        try space.map(.ram(self.memory), at: Self.ram)
        try space.map(.remote(peer, size: 64 << 10), at: Self.remote)
        mapper = try DMAMapper(space)
        requests = .allocate(capacity: Self.tags)
        for tag in 0..<Self.tags {
            (requests + tag).initialize(to: HostRequest(tag: UInt(tag)))
        }
        self.memory.dirtyLog.start(.migration)
    }

    deinit {
        faults.release()
        queue.close()
        requests.deinitialize(count: Self.tags)
        requests.deallocate()
    }

    /// Every transfer bounces from now on, in pieces of ``bounceLimit`` bytes, or none that need not.
    func setBouncing(_ isOn: Bool) throws {
        try mapper.setOptions(DMAOptions(forceBounce: isOn))
    }

    /// Begins a transfer of `count` bytes at `address`, which are at the same offset of the image unless
    /// said otherwise.
    @discardableResult
    func begin(
        _ tag: Int, _ direction: DMADirection, at address: GuestAddress, count: Int,
        offset: UInt64? = nil
    ) -> HostAnswer {
        let (transfer, step) = start(tag, direction, at: address, count: count)
        return note(
            tag, requests[tag].begin(transfer, step, on: queue, at: offset ?? address.rawValue))
    }

    /// The same, for steps that the device takes itself.
    func beginSteps(
        _ tag: Int, _ direction: DMADirection, at address: GuestAddress, count: Int
    ) -> DMAStep {
        let (transfer, step) = start(tag, direction, at: address, count: count)
        return requests[tag].begin(transfer, step)
    }

    private func start(
        _ tag: Int, _ direction: DMADirection, at address: GuestAddress, count: Int
    ) -> (DMATransfer, DMAStep) {
        var list = ScatterGatherList(capacity: 1)
        list.append(address: address, length: UInt64(count))
        return mapper.begin(list, direction, unit: 512, userData: UInt(tag))
    }

    /// Takes note of what a request was answered.
    @discardableResult
    func note(_ tag: Int, _ answer: HostAnswer) -> HostAnswer {
        if answer != .pending { answers[tag].append(answer) }
        return answer
    }

    /// Delivers one completion or more; with `takesSteps` to a device that has only requests of its own
    /// on the queue.
    func deliver(takesSteps: Bool = false) throws {
        try queue.pollForOne { completion in
            let tag = Int(completion.userData)
            if !completion.isSuccess { failures.append(completion) }
            note(
                tag,
                takesSteps
                    ? requests[tag].complete(completion)
                    : requests[tag].complete(completion, on: queue))
        }
    }

    /// Goes on with what can; the steps, for a device that takes them itself.
    @discardableResult
    func resume(takesSteps: Bool = false) -> [DMAStep] {
        var steps: [DMAStep] = []
        mapper.resume { transfer, step in
            let tag = Int(transfer.userData)
            if !takesSteps {
                note(tag, requests[tag].resume(transfer, step, on: queue))
            } else if let step = requests[tag].resume(transfer, step) {
                steps.append(step)
            }
        }
        return steps
    }

    /// Delivers and goes on until all requests are idle or parked.
    func settle() throws {
        while (0..<Self.tags).contains(where: { requests[$0].isBusy }) {
            if queue.outstanding > 0 {
                try deliver()
            } else if !mapper.isWaiting {
                throw Stuck(outstanding: 0)
            }
            resume()
        }
    }

    func state(_ tag: Int = 0) -> HostRequest.State { requests[tag].state }

    // MARK: Bytes

    /// Puts the same value into `range` of the image, past the library.
    func fillImage(_ range: Range<Int>, _ value: UInt8) throws {
        let bytes = AlignedBuffer(count: range.count)
        memset(bytes.bytes.baseAddress!, CInt(value), range.count)
        try plain.write(bytes.bytes, at: range.lowerBound)
    }

    /// Puts the same value into `range` of memory, past the library.
    func fillMemory(_ range: Range<Int>, _ value: UInt8) {
        memset(memory.base + range.lowerBound, CInt(value), range.count)
    }

    /// The value of all bytes in `range` of the image; `nil` when they differ.
    func image(_ range: Range<Int>) throws -> UInt8? {
        let bytes = try plain.contents(at: range.lowerBound, range.count)
        return Self.value(UnsafeRawPointer(bytes.bytes.baseAddress!), range.count)
    }

    /// The value of all bytes in `range` of memory; `nil` when they differ.
    func memory(_ range: Range<Int>) -> UInt8? {
        Self.value(memory.base + range.lowerBound, range.count)
    }

    private static func value(_ start: UnsafeRawPointer, _ count: Int) -> UInt8? {
        memcmp(start, start + 1, count - 1) == 0 ? start.load(as: UInt8.self) : nil
    }

    /// The pages that were written since this was last asked.
    func takeDirty() -> [Int] {
        var pages: [Int] = []
        memory.dirtyLog.take(.migration) { pages += $0 }
        return pages
    }
}

extension HostAnswer {
    /// The transfer is over like that.
    static func transferCompleted(_ outcome: DMAResult.Outcome, _ transferred: UInt64) -> HostAnswer
    {
        .transferCompleted(DMAResult(outcome: outcome, transferred: transferred))
    }

    /// The transfer is over because of guest memory.
    var isFault: Bool {
        guard case .transferCompleted(let result) = self, case .fault = result.outcome else {
            return false
        }
        return true
    }
}
