import BlockIO
import CTestSupport
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
            ["--drive", drive + ",cyls=1"], ["--drive", drive + ",cyls=1,heads=1"],
            ["--drive", drive + ",heads=1,secs=1"],
            ["--drive", drive + ",media=cdrom,cyls=1,heads=1,secs=1"],
            ["--drive", drive + ",cyls=0,heads=1,secs=1"],
            ["--drive", drive + ",cyls=65536,heads=1,secs=1"],
            ["--drive", drive + ",cyls=1,heads=17,secs=1"],
            ["--drive", drive + ",cyls=1,heads=1,secs=256"],
            ["--drive", drive + ",cyls=1,heads=1,secs=-1"],
            ["--drive", drive + ",cyls=1,heads=1,secs="],
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

    func testAGeometry() throws {
        for (geometry, words) in [
            (",cyls=3,heads=5,secs=7", [3, 5, 7]),
            (",secs=255,cyls=65535,heads=16", [65535, 16, 255]), ("", [2, 16, 63]),
            // Of an option that is given twice, the last counts.
            (",media=cdrom,cyls=1,media=disk,cyls=3,heads=5,secs=7", [3, 5, 7]),
        ] as [(String, [UInt16])] {
            let bench = try Bench(
                ["--drive", "primary-master=DIR/disk.img\(geometry)"], size: 1 << 20)
            let driver = try IDEDriver(bench.qtest)
            let page = try driver.identify(.primaryMaster)
            XCTAssertEqual([page[1], page[3], page[6]], words)
            XCTAssertEqual([page[54], page[55], page[56]], words)
            try bench.end()
        }
    }

    /// What is wrong with a geometry is said in words.
    func testMessagesAboutAGeometry() throws {
        for (options, words) in [
            ("cyls=1,heads=1", "primary-master: cyls, heads and secs are given all three"),
            ("cyls=70000,heads=1,secs=1", "cyls=70000: not a number from 1 to 65535"),
            ("cyls=1,heads=0,secs=1", "heads=0: not a number from 1 to 16"),
            ("cyls=1,heads=1,secs=x", "secs=x: not a number from 1 to 255"),
            ("media=cdrom,cyls=1,heads=1,secs=1", "are options of a disk"),
        ] {
            let (status, errors) = try run(
                ["--qtest", "unix:/nonexistent/x", "--drive", "primary-master=/x,\(options)"])
            XCTAssertEqual(status, 2)
            XCTAssertTrue(errors.contains(words), errors)
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

    func testANumberBelowZeroIsAnsweredWithTheRange() throws {
        let ranges = [
            "--memory": "--memory -1 is not 1 to 1048576 MiB",
            "--bounce-limit": "--bounce-limit -1 is not a power of two from 512 to 1 GiB",
        ]
        for (option, answer) in ranges {
            let (status, errors) = try run(["--qtest", "unix:x", option, "-1"])
            XCTAssertEqual(status, 2)
            XCTAssertTrue(errors.hasPrefix("Error: \(answer)\n"), errors)
        }
    }

    /// Those of Benchmarks have a check of their own: .ci/blockbench.
    func testEachProgramSaysTheVersion() throws {
        for program in ["ide-machine", "explore", "PoolExploration"] {
            let path = MachineProcess.directory + "/" + program
            let pipe = try Descriptor.pipe()
            let process = try ChildProcess.spawn(path, ["--version"], output: pipe.writing)
            pipe.writing.close()
            var text = [UInt8](repeating: 0, count: 100)
            // One write(2), and then the end.
            let count = max(0, read(pipe.reading.raw, &text, text.count))
            XCTAssertEqual(cts_wait(process), 0, program)
            XCTAssertEqual(
                String(decoding: text[..<count], as: UTF8.self), PackageVersion.current + "\n",
                program)
        }
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
