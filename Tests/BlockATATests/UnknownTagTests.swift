import BlockATA
import BlockIO
import Glibc
import GuestMemory
import XCTest

@testable import TestSupport

/// A carrier that gives a drive a tag which the drive does not have stops the program, before memory
/// behind that of the drive is touched.
final class UnknownTagTests: HostileTestCase {
    func testATagThatTheDriveDoesNotHaveStopsTheProgram() throws {
        let target = try orSkip(StorageTarget.make(.tmpfsFile, size: 1 << 20))
        defer { target.close() }
        for kind in ["disk", "packet"] {
            for tag in [-1, QueuedCarrier.tags, 1 << 40] {
                let child = try child(
                    kind, [target.pathForChildren, "\(tag)"],
                    environment: ["SWIFT_BACKTRACE": "enable=no"])
                let output = try child.remainder()
                let status = child.wait()
                XCTAssertTrue(
                    [256 + SIGILL, 256 + SIGTRAP].contains(status), "\(kind) \(tag): \(status)")
                XCTAssertTrue(output.contains("a tag that the drive does not have"), output)
                XCTAssertFalse(output.contains("went on"), "\(kind) \(tag)")
            }
        }
    }

    override func perform(_ role: String, _ port: ChildPort) throws {
        let tag = try XCTUnwrap(Int(port.arguments[1]))
        try port.sendErrors()
        let image = try BlockImage.open(port.arguments[0], OpenOptions(access: .readOnly))
        let carrier = try QueuedCarrier(AddressSpace())
        let drive: AttachedDrive =
            role == "disk"
            ? .disk(ATADrive(try ATADisk(image), carrier.connection))
            : .packet(ATAPIDrive(try CDROM(image), carrier.connection))
        drive.execute(Opcode.identifyDevice, tag: tag, on: carrier)
        port.say("went on")
    }
}
