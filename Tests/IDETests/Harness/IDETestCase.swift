import BlockATA
import BlockIO
import GuestMemory
import IDE
import XCTest
@testable import TestSupport

/// Runs a guest on every configuration and compares what it has seen.
class IDETestCase: XCTestCase {
    /// Of the disks of ``forEachMachine(_:_:)``.
    static let sectorCount = 2048

    /// Storage that the tests of a process share: each writes before it reads.
    private static let targets = Locked<[String: StorageTarget]>([:])

    /// Those whose content is as at the beginning.
    private static let clean = Locked<Set<String>>([])

    static func target(_ kind: StorageTarget.Kind, _ number: Int = 0) throws -> StorageTarget {
        try targets.withLock { targets in
            if let known = targets["\(kind) \(number)"] { return known }
            let made = try orSkip(StorageTarget.make(kind, size: sectorCount * 512))
            targets["\(kind) \(number)"] = made
            return made
        }
    }

    /// The path of one of several images of 2048 sectors, with content as at the beginning.
    static func plainPath(_ number: Int) throws -> String {
        let target = try target(.tmpfsFile, number)
        try fill(target)
        return target.path
    }

    /// A machine with a disk of 2048 sectors as primary master, each with content of its own.
    func machine(
        _ configuration: MachineConfiguration = .one, _ options: DiskOptions = DiskOptions(),
        access: OpenOptions.Access = .readWrite
    ) throws -> TestMachine {
        let target = try Self.target(configuration.target)
        try Self.fill(target)
        let machine = try TestMachine(configuration)
        try machine.attach(target.path, options, access: access)
        return machine
    }

    /// For ``compare(over:file:line:with:_:)``: machines with a disk that is the test's own.
    func machines(
        with path: String, in slot: IDESlot = .primaryMaster,
        resolvers: [any AddressResolver] = []
    ) -> (MachineConfiguration) throws -> TestMachine {
        { configuration in
            let machine = try TestMachine(configuration, resolvers: resolvers)
            try machine.attach(path, to: slot)
            return machine
        }
    }

    /// Runs `body` on all configurations, or on those given; a guest must see the same on each.
    func forEachMachine(
        _ options: DiskOptions = DiskOptions(),
        over configurations: [MachineConfiguration] = MachineConfiguration.all,
        access: OpenOptions.Access = .readWrite, file: StaticString = #filePath,
        line: UInt = #line, _ body: (TestMachine) throws -> Void
    ) throws {
        try compare(
            over: configurations, file: file, line: line,
            with: { try machine($0, options, access: access) }, body)
    }

    /// Runs `body` on a machine of each configuration, and compares the traces: everything that it
    /// does at the registers and is answered, every change of the interrupt lines, and what memory
    /// and media come to.
    func compare(
        over configurations: [MachineConfiguration], file: StaticString = #filePath,
        line: UInt = #line, with make: (MachineConfiguration) throws -> TestMachine,
        _ body: (TestMachine) throws -> Void
    ) throws {
        var expected: (configuration: MachineConfiguration, trace: [TraceEntry])?
        for configuration in configurations {
            let machine = try make(configuration)
            machine.record()
            let failures = testRun?.failureCount ?? 0
            try body(machine)
            machine.settle(file: file, line: line)
            let trace = try machine.takeTrace()
            noteUnchanged(machine)
            if testRun?.failureCount ?? 0 > failures {
                // Once is enough.
                return XCTFail("with \(configuration)", file: file, line: line)
            }
            if let expected {
                if let difference = TraceEntry.difference(expected.trace, trace) {
                    return XCTFail(
                        "\(expected.configuration) and \(configuration) differ: \(difference)",
                        file: file, line: line)
                }
            } else {
                expected = (configuration, trace)
            }
        }
    }

    /// Spares the next test the filling.
    private func noteUnchanged(_ machine: TestMachine) {
        guard let disk = machine.disks[.primaryMaster], !machine.isReplaced else { return }
        let statistics = disk.queue.statistics
        if statistics.writes.operations == 0 && statistics.discards.operations == 0 {
            Self.noteUnchanged(disk.image.path)
        }
    }

    /// The content is as at the beginning, and stays so until the next ``fill(_:)``.
    static func noteUnchanged(_ path: String) {
        _ = clean.withLock { $0.insert(path) }
    }

    /// What a sector has at the beginning of each test.
    static func content(sector: UInt64, count: Int = 1) -> [UInt8] {
        Array(image[Int(sector) * 512..<(Int(sector) + count) * 512])
    }

    private static let image: [UInt8] = {
        var result: [UInt8] = []
        result.reserveCapacity(sectorCount * 512)
        for number in 0..<UInt64(sectorCount) {
            var state = (number &+ 1) &* 0x9e37_79b9_7f4a_7c15
            for _ in 0..<64 {
                state ^= state << 13
                state ^= state >> 7
                state ^= state << 17
                withUnsafeBytes(of: state) { result.append(contentsOf: $0) }
            }
        }
        return result
    }()

    static func fill(_ target: StorageTarget) throws {
        if clean.withLock({ $0.remove(target.path) }) != nil { return }
        let image = try BlockImage.open(
            target.path,
            OpenOptions(access: .readWrite, caching: .buffered, engine: .forced(.threadPool)))
        let queue = try BlockQueue(image, QueueOptions(maximumThreads: 1, hasDescriptor: false))
        var failure: BlockError.Code?
        Self.image.withUnsafeBytes { bytes in
            queue.write(from: bytes, at: 0)
            queue.drain { failure = $0.failure }
        }
        if let failure { throw FixtureError.failed("filling \(target.path): \(failure)") }
    }
}
