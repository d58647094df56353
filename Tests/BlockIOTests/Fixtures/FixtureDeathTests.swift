import CTestSupport
import Foundation
import XCTest
@testable import TestSupport

/// Nothing of the fixtures outlives a process that dies without closing them.
///
/// The process that dies is another run of this test program, told by its environment to make the
/// fixtures, to print what is to be cleaned up, and to die or to wait for it.
final class FixtureDeathTests: XCTestCase {
    private static let variable = "BLOCKIO_FIXTURE_DEATH"
    private static let marker = "to be cleaned up: "

    func testNothingOutlivesSIGKILL() throws {
        try checkNothingOutlives(death: "kill", in: #function)
    }

    func testNothingOutlivesATrap() throws {
        try checkNothingOutlives(death: "trap", in: #function)
    }

    private func checkNothingOutlives(death: String, in function: String) throws {
        if ProcessInfo.processInfo.environment[Self.variable] == death {
            try holdFixtures(thenTrap: death == "trap")
        }
        // What the machine lacks is found here, where a skip is seen.
        for kind in StorageTarget.Kind.allCases {
            try orSkip(StorageTarget.make(kind, size: 1 << 20)).close()
        }

        let test = "BlockIOTests.FixtureDeathTests/\(function.prefix { $0 != "(" })"
        let environment = ProcessInfo.processInfo.environment.map { "\($0)=\($1)" }
        let pipe = try Descriptor.pipe()
        let child = try ChildProcess.spawn(
            "/proc/self/exe", [test],
            environment: environment + [
                "\(Self.variable)=\(death)", "SWIFT_BACKTRACE=enable=no",
            ],
            output: pipe.writing)
        pipe.writing.close()
        let traces = readTraces(pipe.reading)
        if death == "kill" {
            for trace in traces { XCTAssertTrue(trace.exists, "\(trace)") }
            XCTAssertEqual(kill(child, SIGKILL), 0)
        }
        XCTAssertGreaterThan(cts_wait(child), 256, "the child was not ended by a signal")
        XCTAssertEqual(traces.count, 7, "\(traces)")
        for trace in traces {
            try eventually("gone: \(trace)") { !trace.exists }
        }
    }

    /// Runs in the child.
    private func holdFixtures(thenTrap: Bool) throws -> Never {
        let directory = try TemporaryDirectory()
        let loop = try LoopDevice(size: 1 << 20, sectorSize: 4096)
        let mount = try DetachedMount.ext4(size: 64 << 20)
        let targets = try StorageTarget.Kind.allCases.map {
            try StorageTarget.make($0, size: 1 << 20)
        }
        // Open descriptors keep the devices busy while the process dies.
        let files = [directory.path("file"), mount.path("file"), loop.path] + targets.map(\.path)
        for path in files {
            try SystemCall.check(Descriptor.open(path, O_RDWR | O_CREAT), "open \(path)")
        }
        // Nothing is closed before the end.
        for fixture in [directory, loop, mount] + (targets as [AnyObject]) {
            _ = Unmanaged.passRetained(fixture)
        }

        let devices = [loop.name, mount.loop?.name ?? "none"]
        let devicesOfTargets = targets.filter(\.kind.isBlockDevice).map { $0.path.dropFirst(5) }
        let traces =
            [FixtureTrace.path(directory.path), .path(mount.pathForChildren("file"))]
            + (devices + devicesOfTargets.map(String.init)).map {
                .device($0, sequence: SysBlock.sequence(of: $0) ?? "none")
            }
        let lines = traces.map { "\n\(Self.marker)\($0)\n" } + ["\n\(Self.marker)all\n"]
        FileHandle.standardOutput.write(Data(lines.joined().utf8))
        // The parent kills us; if it is gone, this is the end anyway.
        if !thenTrap { sleep(60) }
        fatalError("as the test wants it")
    }

    private func readTraces(_ output: Descriptor) -> [FixtureTrace] {
        var traces: [FixtureTrace] = []
        while let line = output.readLine() {
            guard line.hasPrefix(Self.marker) else { continue }
            guard let trace = FixtureTrace(line.dropFirst(Self.marker.count)) else { break }
            traces.append(trace)
        }
        return traces
    }
}
