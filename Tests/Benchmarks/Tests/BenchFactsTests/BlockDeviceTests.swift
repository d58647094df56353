import BenchFacts
import Foundation
import XCTest

/// A device is read from a tree of files that is laid out like sysfs.
final class BlockDeviceTests: XCTestCase {
    private var root = ""

    override func setUpWithError() throws {
        root = NSTemporaryDirectory() + "blockdevice-" + UUID().uuidString
        try FileManager.default.createDirectory(
            atPath: root + "/dev/block", withIntermediateDirectories: true)
    }

    override func tearDownWithError() throws { try FileManager.default.removeItem(atPath: root) }

    /// `files` are relative to the directory of the device.
    private func add(_ number: String, at path: String, _ files: [String: String]) throws {
        for (name, content) in files {
            let file = URL(fileURLWithPath: "\(root)/\(path)/\(name)")
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try content.write(to: file, atomically: false, encoding: .utf8)
        }
        try FileManager.default.createSymbolicLink(
            atPath: "\(root)/dev/block/\(number)", withDestinationPath: "../../\(path)")
    }

    private func addDisk() throws {
        try add(
            "8:0", at: "devices/pci/ata1/block/sda",
            [
                "device/model": "Samsung SSD 870 \n", "queue/nr_requests": "64\n",
                "queue/scheduler": "none [mq-deadline] kyber\n",
                "queue/write_cache": "write back\n", "queue/rotational": "0\n",
                "queue/logical_block_size": "512\n", "queue/physical_block_size": "4096\n",
            ])
    }

    func testADiskHasWhatItsFilesSay() throws {
        try addDisk()
        let disk = try XCTUnwrap(BlockDevice(number: "8:0", sysfs: root))
        XCTAssertEqual(disk.name, "sda")
        XCTAssertNil(disk.partition)
        XCTAssertEqual(disk.model, "Samsung SSD 870")
        XCTAssertEqual(disk.scheduler, "mq-deadline")
        XCTAssertEqual(disk.requestLimit, 64)
        XCTAssertEqual(disk.writeCache, "write back")
        XCTAssertEqual(disk.isRotational, false)
        XCTAssertEqual(disk.logicalBlockSize, 512)
        XCTAssertEqual(disk.physicalBlockSize, 4096)
        XCTAssertEqual(
            disk.summary,
            "device sda (Samsung SSD 870), scheduler mq-deadline, nr_requests 64, write back cache, "
                + "not rotational, blocks of 512 bytes (physical 4096)")
    }

    func testAPartitionHasTheSettingsOfItsDisk() throws {
        try addDisk()
        try add("8:1", at: "devices/pci/ata1/block/sda/sda1", ["partition": "1\n"])
        let disk = try XCTUnwrap(BlockDevice(number: "8:1", sysfs: root))
        XCTAssertEqual(disk.name, "sda")
        XCTAssertEqual(disk.partition, "sda1")
        XCTAssertEqual(disk.requestLimit, 64)
    }

    func testAFileThatIsMissingLeavesItsPropertyOut() throws {
        try add(
            "253:0", at: "devices/virtual/block/zram0",
            ["queue/scheduler": "none\n", "queue/rotational": "1\n"])
        let disk = try XCTUnwrap(BlockDevice(number: "253:0", sysfs: root))
        XCTAssertNil(disk.model)
        XCTAssertNil(disk.requestLimit)
        XCTAssertNil(disk.writeCache)
        XCTAssertNil(disk.logicalBlockSize)
        XCTAssertEqual(disk.summary, "device zram0, scheduler none, rotational")
    }

    func testThereIsNoDeviceForANumberThatSysfsDoesNotHave() {
        XCTAssertNil(BlockDevice(number: "0:42", sysfs: root))
    }

    func testTheReportForProgramsHasTheKernelsNames() throws {
        try addDisk()
        let disk = try XCTUnwrap(BlockDevice(number: "8:0", sysfs: root))
        let object = try JSONSerialization.jsonObject(
            with: try JSONEncoder().encode(disk))
        let fields = try XCTUnwrap(object as? [String: Any])
        XCTAssertEqual(
            Set(fields.keys),
            [
                "name", "model", "scheduler", "nr_requests", "write_cache", "rotational",
                "logical_block_size", "physical_block_size",
            ])
    }
}
