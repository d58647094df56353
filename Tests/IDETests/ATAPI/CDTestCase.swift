import BlockIO
import IDE
import XCTest
@testable import TestSupport

/// Runs a guest with a CD-ROM drive on every configuration.
class CDTestCase: IDETestCase {
    /// Blocks of the discs of ``forEachCD(_:_:)``.
    static let blockCount = sectorCount / 4

    /// What a block has.
    static func content(block: Int, count: Int = 1) -> [UInt8] {
        content(sector: UInt64(block) * 4, count: count * 4)
    }

    /// A machine with a disc of 512 blocks in its primary master.
    func cdMachine(
        _ configuration: MachineConfiguration = .one, _ options: CDROMOptions = CDROMOptions(),
        content: [UInt8]? = nil
    ) throws -> Machine {
        let target = try Self.target(configuration.target)
        try Self.fill(target)
        if let content { try Self.write(content, to: target.path) }
        let machine = try Machine(configuration)
        try machine.attachCD(target.path, options)
        return machine
    }

    /// A machine with a drive that has nothing in it.
    func emptyMachine() throws -> Machine {
        let machine = try Machine()
        try machine.attachCD(nil)
        return machine
    }

    /// Runs `body` on all configurations; the samples it makes must be the same.
    func forEachCD(
        _ options: CDROMOptions = CDROMOptions(), content: [UInt8]? = nil,
        file: StaticString = #filePath, line: UInt = #line, _ body: (Machine) throws -> Void
    ) throws {
        var expected: (MachineConfiguration, [String])?
        for configuration in MachineConfiguration.all {
            let machine = try cdMachine(configuration, options, content: content)
            let failures = testRun?.failureCount ?? 0
            try body(machine)
            machine.settle(file: file, line: line)
            if testRun?.failureCount ?? 0 > failures {
                return XCTFail("with \(configuration)", file: file, line: line)
            }
            if let (first, samples) = expected {
                XCTAssertEqual(
                    samples, machine.samples, "\(first) and \(configuration) differ", file: file,
                    line: line)
            } else {
                expected = (configuration, machine.samples)
            }
        }
    }

    /// Writes to the beginning of a file or device.
    static func write(_ content: [UInt8], to path: String) throws {
        let image = try BlockImage.open(
            path,
            OpenOptions(access: .readWrite, caching: .buffered, engine: .forced(.threadPool)))
        let queue = try BlockQueue(image, QueueOptions(maximumThreads: 1, hasDescriptor: false))
        var failure: BlockError.Code?
        content.withUnsafeBytes { bytes in
            queue.write(from: bytes, at: 0, durability: .forceUnitAccess)
            queue.drain { failure = $0.failure }
        }
        if let failure { throw FixtureError.failed("filling \(path): \(failure)") }
    }
}
