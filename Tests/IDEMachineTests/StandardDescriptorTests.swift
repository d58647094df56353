import CTestSupport
import XCTest

@testable import TestSupport

/// Output that is lost is a failure, and standard descriptors that are closed are given to nothing else.
final class StandardDescriptorTests: XCTestCase {
    /// Runs `ide-machine --help` with this standard output.
    private func help(output: Descriptor) throws -> (status: Int32, errors: String) {
        let pipe = try Descriptor.pipe()
        let child = try ChildProcess.spawn(
            MachineProcess.path, ["--help"], output: output, error: pipe.writing)
        pipe.writing.close()
        let errors = pipe.reading.readToEnd()
        return (cts_wait(child), errors)
    }

    private func assertLost(
        _ result: (status: Int32, errors: String), _ reason: Int32, line: UInt = #line
    ) {
        XCTAssertEqual(result.status, 1, line: line)
        XCTAssertEqual(
            result.errors,
            "ide-machine: the output could not be written: \(String(cString: strerror(reason)))\n",
            line: line)
    }

    func testAFullDisk() throws {
        let full = Descriptor(try SystemCall.check(Descriptor.open("/dev/full", O_WRONLY), "open"))
        assertLost(try help(output: full), ENOSPC)
    }

    func testAClosedPipe() throws {
        let pipe = try Descriptor.pipe()
        pipe.reading.close()
        assertLost(try help(output: pipe.writing), EPIPE)
    }

    func testAClosedOutput() throws {
        let machine = try MachineProcess(["--help"], script: #"exec "$0" "$@" >&-"#)
        assertLost(try machine.end(), EBADF)
        // Nobody can be told.
        let child = try ChildProcess.spawn(
            "/bin/sh", ["-c", #"exec "$0" "$@" >&- 2>&-"#, MachineProcess.path, "--help"])
        XCTAssertEqual(cts_wait(child), 1)
    }

    func testOutputThatIsTaken() throws {
        let pipe = try Descriptor.pipe()
        let result = try help(output: pipe.writing)
        pipe.writing.close()
        XCTAssertEqual(result.status, 0)
        XCTAssertEqual(result.errors, "")
        XCTAssertTrue(pipe.reading.readToEnd().contains("--vfio-user"))
    }

    /// Neither the image nor a socket is where output goes.
    func testClosedDescriptorsAreOccupied() throws {
        for closed in [[0], [1], [2], [0, 1, 2]] {
            let directory = try orSkip(TemporaryDirectory(in: ScratchSpace.directoryWithDirectIO()))
            try Bench.makeDisk(directory.path("disk.img"), size: 1 << 20)
            let listener = try ListeningSocket(directory.path("qtest"))
            let redirections = closed.map { "\($0)>&-" }.joined(separator: " ")
            let child = try ChildProcess.spawn(
                "/bin/sh",
                [
                    "-c", "exec \"$0\" \"$@\" \(redirections)", MachineProcess.path,
                    "--drive", "primary-master=\(directory.path("disk.img"))",
                    "--qtest", "unix:\(directory.path("qtest"))",
                ])
            defer {
                kill(child, SIGKILL)
                _ = cts_wait(child)
            }
            guard cts_wait_readable(listener.descriptor, LineSocket.patience) > 0 else {
                return XCTFail("nobody connects, \(closed)")
            }
            let qtest = QtestClient(LineSocket(try listener.accept()))
            XCTAssertEqual(try qtest.command("inb \(IDEPort.status)"), "0x00ff")
            for descriptor in 0...2 {
                let target = try FileManager.default.destinationOfSymbolicLink(
                    atPath: "/proc/\(child)/fd/\(descriptor)")
                XCTAssertEqual(target, "/dev/null", "descriptor \(descriptor), closed: \(closed)")
            }
        }
    }
}
