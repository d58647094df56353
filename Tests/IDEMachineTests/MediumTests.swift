import XCTest

@testable import TestSupport

/// eject and blockdev-change-medium: what a user does with a drive's disc, and what a guest sees.
final class MediumTests: XCTestCase {
    private let slot = "secondary-master"
    private let place = IDEDriver.Place.secondaryMaster
    // Sense keys and codes: MEDIUM NOT PRESENT, MEDIUM MAY HAVE CHANGED, and none.
    private let removed = [UInt8](arrayLiteral: 2, 0x3a)
    private let inserted = [UInt8](arrayLiteral: 6, 0x28)
    private let isReady = [UInt8](arrayLiteral: 0, 0)

    /// What READ CAPACITY says of each of the discs: the address of the last block, and a block's size.
    private let capacity: [UInt8] = [0, 0, 1, 0xff, 0, 0, 8, 0]
    private let smallCapacity: [UInt8] = [0, 0, 0, 0xff, 0, 0, 8, 0]

    /// A drive with a disc, `disk.img`; another, `other.img`, has half as many blocks.
    private func bench(_ options: String = "") throws -> (Bench, PacketDriver) {
        let bench = try Bench(
            ["--drive", "\(slot)=DIR/disk.img,media=cdrom\(options)"], size: 1 << 20)
        try Bench.makeDisk(bench.directory.path("other.img"), size: 1 << 19)
        return (bench, PacketDriver(try IDEDriver(bench.qtest), place))
    }

    private func change(_ bench: Bench, to name: String) throws {
        try bench.qmp.run(
            "blockdev-change-medium",
            ["device": slot, "filename": bench.directory.path(name)])
    }

    func testAChangeIsToldInTwoSteps() throws {
        let (bench, cd) = try bench()
        XCTAssertEqual(
            try cd.sense(after: [PacketOpcode.testUnitReady]), isReady, "nothing at power-on")
        XCTAssertEqual(try cd.read([PacketOpcode.readCapacity], 8), capacity)
        try change(bench, to: "other.img")
        XCTAssertEqual(try cd.sense(after: [PacketOpcode.testUnitReady]), removed)
        XCTAssertEqual(try cd.sense(after: [PacketOpcode.testUnitReady]), inserted)
        XCTAssertEqual(try cd.sense(after: [PacketOpcode.testUnitReady]), isReady)
        XCTAssertEqual(try cd.read([PacketOpcode.readCapacity], 8), smallCapacity)
        XCTAssertEqual(
            try cd.read([PacketOpcode.read10, 0, 0, 0, 0, 3, 0, 0, 1], 2048),
            Bench.content(of: 12..<16))
        try bench.end()
    }

    func testTheDriveSaysWhatItWasToldToBe() throws {
        let (bench, cd) = try bench(",serial=S123,firmware=F1.2345")
        XCTAssertEqual(
            try cd.read([PacketOpcode.inquiry, 0, 0, 0, 36], 36).suffix(4), Array("F1.2".utf8)[...])
        // Vital product data: the serial number (SPC-3 7.6.11).
        XCTAssertEqual(
            try cd.read(
                [
                    PacketOpcode.inquiry, PacketBits.vitalProductData,
                    VitalProductPage.serialNumber, 0, 24,
                ], 24
            ).suffix(20).prefix(5),
            Array("S123 ".utf8)[...])
        try bench.end()
    }

    func testADiscIsEjectedAndAnotherPutIn() throws {
        let (bench, cd) = try bench(",engine=threads,direct=off")
        for _ in 0..<2 { try bench.qmp.run("eject", ["device": slot]) }
        for _ in 0..<3 {
            XCTAssertEqual(try cd.sense(after: [PacketOpcode.testUnitReady]), removed)
        }
        try change(bench, to: "disk.img")
        XCTAssertEqual(try cd.sense(after: [PacketOpcode.testUnitReady]), removed)
        XCTAssertEqual(try cd.sense(after: [PacketOpcode.testUnitReady]), inserted)
        XCTAssertEqual(try cd.read([PacketOpcode.readCapacity], 8), capacity)
        try bench.end()
    }

    func testAnImageThatCannotBeOpenedLeavesTheOldOne() throws {
        let (bench, cd) = try bench()
        for path in ["/nonexistent", "", "/dev/null"] {
            let error = try bench.qmp.error(
                "blockdev-change-medium", ["device": slot, "filename": path])
            XCTAssertEqual(error.0, "GenericError", path)
            XCTAssertTrue(error.1.hasPrefix("Cannot change the medium"), error.1)
        }
        XCTAssertEqual(try cd.sense(after: [PacketOpcode.testUnitReady]), isReady)
        XCTAssertEqual(try cd.read([PacketOpcode.readCapacity], 8), capacity)
        try bench.end()
    }

    func testAGuestPreventsIt() throws {
        let (bench, cd) = try bench()
        try cd.command([PacketOpcode.preventAllowMediumRemoval, 0, 0, 0, 1])
        XCTAssertEqual(try bench.qmp.error("eject", ["device": slot]).0, "GenericError")
        let other = ["device": slot, "filename": bench.directory.path("other.img")]
        XCTAssertEqual(try bench.qmp.error("blockdev-change-medium", other).0, "GenericError")
        XCTAssertEqual(try cd.sense(after: [PacketOpcode.testUnitReady]), isReady)
        try cd.command([PacketOpcode.preventAllowMediumRemoval, 0, 0, 0, 0])
        try bench.qmp.run("eject", ["device": slot])
        XCTAssertEqual(try cd.sense(after: [PacketOpcode.testUnitReady]), removed)
        try bench.end()
    }

    func testADriveThatBeganEmptyTakesADisc() throws {
        let bench = try Bench(["--drive", "\(slot)=,media=cdrom"])
        try Bench.makeDisk(bench.directory.path("disk.img"), size: 1 << 20)
        let cd = PacketDriver(try IDEDriver(bench.qtest), place)
        XCTAssertEqual(try cd.sense(after: [PacketOpcode.testUnitReady]), removed)
        try change(bench, to: "disk.img")
        XCTAssertEqual(try cd.sense(after: [PacketOpcode.testUnitReady]), removed)
        XCTAssertEqual(try cd.sense(after: [PacketOpcode.testUnitReady]), inserted)
        XCTAssertEqual(try cd.read([PacketOpcode.readCapacity], 8), capacity)
        try bench.end()
    }
}
