import BlockATA
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
    ) throws -> TestMachine {
        let target = try Self.target(configuration.target)
        try Self.fill(target)
        if let content {
            try Self.write(content, to: target.path)
        } else {
            Self.noteUnchanged(target.path)
        }
        let machine = try TestMachine(configuration)
        try machine.attachCD(target.path, options)
        return machine
    }

    /// A machine with a drive that has nothing in it.
    func emptyMachine() throws -> TestMachine {
        let machine = try TestMachine()
        try machine.attachCD(nil)
        return machine
    }

    /// Runs `body` on all configurations, or on those given; a guest must see the same on each.
    func forEachCD(
        _ options: CDROMOptions = CDROMOptions(), content: [UInt8]? = nil,
        over configurations: [MachineConfiguration] = MachineConfiguration.all,
        file: StaticString = #filePath, line: UInt = #line, _ body: (TestMachine) throws -> Void
    ) throws {
        try compare(
            over: configurations, file: file, line: line,
            with: { try cdMachine($0, options, content: content) }, body)
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
