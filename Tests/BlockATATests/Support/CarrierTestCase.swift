import BlockATA
import BlockIO
import BlockIOTesting
import Glibc
import GuestMemory
import XCTest
@testable import TestSupport

/// Tests of a drive on a ``QueuedCarrier``, with 4 MiB of guest memory at 0.
class CarrierTestCase: XCTestCase {
    static let sectors = 2048
    static let memorySize = 4 << 20

    private var directory: TemporaryDirectory!
    private(set) var space: AddressSpace!
    private(set) var ram: GuestRAM!
    private(set) var carrier: QueuedCarrier!
    private(set) var image: BlockImage!
    private(set) var faults: FaultInjector!

    override func tearDown() {
        if let carrier {
            faults.release()
            carrier.reset()
            XCTAssertTrue(carrier.wait { !carrier.drive.pointee.isBusy })
        }
        carrier = nil
        image = nil
        space = nil
        ram = nil
        directory?.close()
        directory = nil
    }

    /// Byte `index` of the disk, at first.
    static func content(_ index: Int) -> UInt8 { UInt8(truncatingIfNeeded: index / 512 &+ index) }

    static func content(sector: Int, count: Int) -> [UInt8] {
        (sector * 512..<(sector + count) * 512).map(content)
    }

    /// Plugs in a disk whose sectors tell their number.
    func plugIn(_ options: DiskOptions = DiskOptions()) throws {
        try prepare(.readWrite)
        let disk = try ATADisk(image, options, queue: QueueOptions().checked(with: faults))
        carrier.drive.pointee = .disk(ATADrive(disk, carrier.connection))
    }

    /// Plugs in a CD/DVD-ROM drive with a disc of the same bytes.
    @discardableResult
    func plugInDisc(_ options: CDROMOptions = CDROMOptions()) throws -> CDROM {
        try prepare(.readOnly)
        let cdrom = try CDROM(image, options, queue: QueueOptions().checked(with: faults))
        carrier.drive.pointee = .packet(ATAPIDrive(cdrom, carrier.connection))
        return cdrom
    }

    private func prepare(_ access: OpenOptions.Access) throws {
        directory = try TemporaryDirectory()
        let path = directory.path("image")
        let bytes = Self.content(sector: 0, count: Self.sectors)
        let file = Descriptor(try SystemCall.check(Descriptor.open(path, O_RDWR | O_CREAT), path))
        let count = bytes.withUnsafeBytes { pwrite(file.raw, $0.baseAddress, $0.count, 0) }
        XCTAssertEqual(count, bytes.count)
        space = try AddressSpace()
        ram = try GuestRAM(size: Self.memorySize)
        try space.map(.ram(ram), at: 0)
        image = try BlockImage.open(path, OpenOptions(access: access))
        faults = FaultInjector()
        carrier = try QueuedCarrier(space)
    }

    // MARK: Guest memory

    func write(_ bytes: [UInt8], at address: UInt64) throws {
        try bytes.withUnsafeBytes { try space.write(at: GuestAddress(address), from: $0) }
    }

    func read(_ count: Int, at address: UInt64) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        try bytes.withUnsafeMutableBytes { try space.read(at: GuestAddress(address), into: $0) }
        return bytes
    }

    /// Where a tag's data is, in two runs.
    func describe(_ runs: [(address: UInt64, length: Int)], tag: Int) throws {
        var bytes: [UInt8] = []
        for (index, run) in runs.enumerated() {
            withUnsafeBytes(of: run.address.littleEndian) { bytes += $0 }
            withUnsafeBytes(of: UInt32(run.length).littleEndian) { bytes += $0 }
            let flags: UInt32 = index == runs.count - 1 ? 1 : 0
            withUnsafeBytes(of: flags.littleEndian) { bytes += $0 }
        }
        try write(bytes, at: carrier.lists[tag].rawValue)
    }

    // MARK: The disk

    /// What the image has, read past the drive.
    func medium(sector: Int, count: Int) throws -> [UInt8] {
        let path = image.path
        let file = Descriptor(try SystemCall.check(Descriptor.open(path, O_RDONLY), path))
        var bytes = [UInt8](repeating: 0, count: count * 512)
        let length = bytes.withUnsafeMutableBytes {
            pread(file.raw, $0.baseAddress, $0.count, sector * 512)
        }
        XCTAssertEqual(length, bytes.count)
        return bytes
    }

    /// Waits until so many commands have ended, and expects nothing more of them.
    func waitForEnds(_ count: Int, line: UInt = #line) -> [Int: CommandEnd] {
        XCTAssertTrue(carrier.wait { carrier.ended.count >= count }, "no end", line: line)
        let ended = carrier.takeEnded()
        XCTAssertEqual(ended.count, count, line: line)
        return Dictionary(ended.map { ($0.tag, $0.end) }) { first, _ in first }
    }

    func assertGood(_ end: CommandEnd?, line: UInt = #line) {
        XCTAssertEqual(end?.status, DriveStatus.idle, line: line)
        XCTAssertEqual(end?.error, 0, line: line)
        XCTAssertEqual(end?.isInterrupting, true, line: line)
    }

    func assertFailed(
        _ end: CommandEnd?, error: UInt8, _ transfer: CommandEnd.Transfer?, line: UInt = #line
    ) {
        XCTAssertEqual(end?.status, DriveStatus.failed, line: line)
        XCTAssertEqual(end?.error, error, line: line)
        XCTAssertEqual(end?.transfer, transfer, line: line)
    }
}
