import BlockATA
import BlockIO
import GuestMemory
import IDE
import XCTest
@testable import TestSupport

/// While a disk is plugged in, the requests on its queue are the controller's. One with a number that no command
/// has stops the program, before memory is touched for it.
final class ForeignRequestTests: HostileTestCase {
    /// No drive has as many commands; far from all memory.
    private static let farTag: UInt = 1 << 40

    func testARequestOfAnotherStopsTheProgram() throws {
        let target = try orSkip(StorageTarget.make(.tmpfsFile, size: 1 << 20))
        defer { target.close() }
        for tag in [1, Self.farTag, .max] {
            let child = try child(
                "flush", [target.pathForChildren, "\(tag)"],
                environment: ["SWIFT_BACKTRACE": "enable=no"])
            let output = try child.remainder()
            let status = child.wait()
            XCTAssertTrue(
                [256 + SIGILL, 256 + SIGTRAP].contains(status), "tag \(tag): status \(status)")
            XCTAssertTrue(output.contains("a request that its drive has not made"), output)
            XCTAssertFalse(output.contains("went on"), "tag \(tag)")
        }
    }

    override func perform(_ role: String, _ port: ChildPort) throws {
        let tag = try XCTUnwrap(UInt(port.arguments[1]))
        try port.sendErrors()
        let image = try BlockImage.open(port.arguments[0], OpenOptions(access: .readWrite))
        let disk = try ATADisk(image)
        let controller = try IDEController(identity: .piix3, memory: AddressSpace())
        try controller.attach(disk, to: .primaryMaster)
        alarm(10)
        disk.queue.flush(userData: tag)
        while disk.queue.outstanding > 0 { controller.poll() }
        port.say("went on")
    }
}
