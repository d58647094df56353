import XCTest

@testable import TestSupport

/// Exit statuses: 2 for a wrong command line, 1 for a failure, 0 else.
final class CommandLineTests: XCTestCase {
    private func run(_ arguments: [String]) throws -> (status: Int32, errors: String) {
        try MachineProcess(arguments).end()
    }

    func testWrongCommandLines() throws {
        let drive = "primary-master=/nonexistent"
        let wrong: [[String]] = [
            [], ["--qtest"], ["--qtest", "/tmp/x"], ["--qtest", "unix:"], ["--qtest", "tcp:1"],
            ["--qtest", "unix:" + String(repeating: "x", count: 108)],
            ["--qtest", "unix:x", "--qmp", "y"], ["--qtest", "unix:x", "extra"],
            ["--qtest", "unix:x", "--unknown"], ["--vfio-user", ""], ["--vfio-user"],
            ["--vfio-user", "x", "--qtest", "unix:x"], ["--vfio-user", "x", "--qmp", "unix:x"],
            ["--vfio-user", "x", "--hole", "0+1"], ["--vfio-user", "x", "--self-mmio", "0"],
            ["--vfio-user", String(repeating: "x", count: 108)], ["--qmp", "unix:x"],
        ]
        let options: [[String]] = [
            ["--memory", "0"], ["--memory", "-1"], ["--memory", "much"],
            ["--memory", "9999999999"],
            ["--drive", ""], ["--drive", "primary-master"], ["--drive", "primary-master="],
            ["--drive", "tertiary-master=/x"], ["--drive", drive, "--drive", drive],
            ["--drive", drive + ",media=tape"], ["--drive", drive + ",media="],
            ["--drive", drive + ",engine=steam"], ["--drive", drive + ",direct=maybe"],
            ["--drive", drive + ",readonly"], ["--drive", drive + ",lock=maybe"],
            ["--drive", drive + ",rerror=never"],
            ["--drive", drive + ",werror="], ["--drive", drive + ",serial=123456789012345678901"],
            ["--drive", drive + ",serial=\u{7}"], ["--drive", drive + ",firmware=123456789"],
            ["--drive", drive + ",colour=red"], ["--drive", drive + ","],
            ["--bounce-limit", "0"], ["--bounce-limit", "256"], ["--bounce-limit", "1000"],
            ["--dma-cache", "maybe"], ["--hole", "5"], ["--hole", "0+0"], ["--hole", "+1"],
            ["--rom", "0xfffffffffffffff0+0x11"], ["--mmio", "1+2+3"], ["--mmio", "x+1"],
            ["--self-mmio", "here"], ["--self-mmio", "0xfffffffffffffff1"],
            ["--pci-id", "8086:7020"], ["--pci-id", "1095:0646"],
        ]
        for arguments in wrong + options.map({ ["--qtest", "unix:/nonexistent/x"] + $0 }) {
            let (status, errors) = try run(arguments)
            XCTAssertEqual(status, 2, "\(arguments)")
            XCTAssertTrue(errors.hasPrefix("Error: "), "\(arguments): \(errors)")
        }
    }

    func testFailures() throws {
        let directory = try TemporaryDirectory()
        let qtest = ["--qtest", "unix:\(directory.path("nobody"))"]
        let failing: [[String]] = [
            qtest,
            qtest + ["--drive", "primary-master=/nonexistent"],
            qtest + ["--drive", "primary-master=/"],
            qtest + ["--mmio", "0+0x7fffffffffffffff"],
        ]
        for arguments in failing {
            let (status, errors) = try run(arguments)
            XCTAssertEqual(status, 1, "\(arguments)")
            XCTAssertTrue(errors.hasPrefix("ide-machine: "), "\(arguments): \(errors)")
        }
    }

    func testAnImageThatIsInUseIsRefused() throws {
        let bench = try Bench(["--drive", "primary-master=DIR/disk.img"], size: 1 << 20)
        let path = bench.directory.path("disk.img")
        let (status, errors) = try run([
            "--qtest", "unix:/nonexistent/x", "--drive", "secondary-slave=\(path)",
        ])
        XCTAssertEqual(status, 1)
        XCTAssertTrue(errors.contains("a lock held by"), errors)
        try bench.end()
    }

    /// Who asks for no lock is not kept out, and readers share one.
    func testTheLockIsAnOption() throws {
        let cases = [
            ("lock=off", "lock=off"), ("lock=exclusive", "lock=off"),
            ("readonly=on", "readonly=on,lock=shared"),
        ]
        for (first, second) in cases {
            let bench = try Bench(
                ["--drive", "primary-master=DIR/disk.img,\(first)"], size: 1 << 20)
            let other = try Bench(
                ["--drive", "primary-master=DIR/disk.img,\(second)"], in: bench.directory,
                name: "-other")
            try other.end()
            try bench.end()
        }
        let bench = try Bench(
            ["--drive", "primary-master=DIR/disk.img,readonly=on"], size: 1 << 20)
        let path = bench.directory.path("disk.img")
        let (status, errors) = try run([
            "--qtest", "unix:/nonexistent/x",
            "--drive", "secondary-slave=\(path),readonly=on,lock=exclusive",
        ])
        XCTAssertEqual(status, 1)
        XCTAssertTrue(errors.contains("excludes the exclusive lock"), errors)
        try bench.end()
    }

    func testHelp() throws {
        let (status, errors) = try run(["--help"])
        XCTAssertEqual(status, 0)
        XCTAssertEqual(errors, "")
    }

    func testAPathMayHaveCommas() throws {
        let directory = try orSkip(TemporaryDirectory(in: ScratchSpace.directoryWithDirectIO()))
        let disk = try XCTUnwrap(fopen(directory.path("a,b,,c.img"), "w"))
        XCTAssertEqual(ftruncate(fileno(disk), 1 << 20), 0)
        fclose(disk)
        let bench = try Bench(
            ["--drive", "primary-slave=DIR/a,,b,,,,c.img,direct=off,serial=A"], in: directory)
        XCTAssertEqual(try bench.qmp.statistic("wr_bytes", of: "primary-slave"), 0)
        try bench.end()
    }
}
