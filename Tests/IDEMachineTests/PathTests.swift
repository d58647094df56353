import BlockIO
import CTestSupport
import CommandLineSupport
import XCTest

@testable import TestSupport

/// Paths on the command line are bytes.
final class PathTests: XCTestCase {
    /// Renames a file to `name`, whose last byte, E9h, is not UTF-8.
    private func rename(_ path: String, in directory: TemporaryDirectory, to name: String) throws {
        let new = Pathname(bytes: Array(directory.path(name).utf8) + [0xe9])
        let result = new.withCString { Glibc.rename(path, $0) }
        try SystemCall.check(SystemCall.result(result), "rename")
    }

    func testPathsThatAreNotUTF8() throws {
        let directory = try orSkip(TemporaryDirectory(in: ScratchSpace.directoryWithDirectIO()))
        try Bench.makeDisk(directory.path("plain"), size: 1 << 20)
        try rename(directory.path("plain"), in: directory, to: "d\u{301}isk,")
        let listener = try ListeningSocket(directory.path("socket"))
        try rename(directory.path("socket"), in: directory, to: "qtest")
        let machine = try MachineProcess(
            [directory.path],
            script: #"""
                e=$(printf '\351')
                exec "$0" --drive "primary-master=$1/d́isk,,$e" --qtest "unix:$1/qtest$e"
                """#)
        let qtest = QtestClient(try listener.accept(from: machine))
        let driver = try IDEDriver(qtest)
        let end = try driver.transfer(
            .primaryMaster, Opcode.readDMA, at: 3, count: 1, memory: [(0x10_0000, 512)])
        XCTAssertEqual(end.status, DriveStatus.idle)
        XCTAssertEqual(try qtest.read(0x10_0000, 512), Bench.content(of: 3..<4))
        qtest.socket.close()
        let (status, errors) = try machine.end()
        XCTAssertEqual(status, 0, errors)
    }

    /// A mark at the start of a path makes one character with what is before it.
    func testASocketsPathBeginsWithAMark() throws {
        let directory = try TemporaryDirectory()
        let listener = try ListeningSocket(directory.path("\u{301}qtest"))
        let machine = try MachineProcess(
            [directory.path, "unix:\u{301}qtest"], script: #"cd "$1" && exec "$0" --qtest "$2""#)
        let qtest = QtestClient(try listener.accept(from: machine))
        qtest.socket.close()
        let (status, errors) = try machine.end()
        XCTAssertEqual(status, 0, errors)
    }

    func testErrorsNameThem() throws {
        let machine = try MachineProcess(
            [],
            script: #"""
                e=$(printf '\351')
                exec "$0" --drive "primary-master=/nonexistent/$e" --qtest "unix:/nonexistent/x"
                """#)
        let (status, errors) = try machine.end()
        XCTAssertEqual(status, 1)
        XCTAssertTrue(errors.contains(#"$'/nonexistent/\xe9'"#), errors)
    }

    func testTheVFIOUserSocketsPath() throws {
        let directory = try TemporaryDirectory()
        let machine = try MachineProcess(
            [directory.path], script: #"exec "$0" --vfio-user "$1/socket$(printf '\351')""#)
        let path = Pathname(bytes: Array(directory.path("socket").utf8) + [0xe9])
        for _ in 0..<60_000 where path.withCString({ access($0, F_OK) }) != 0 { usleep(1_000) }
        machine.signal(SIGTERM)
        XCTAssertEqual(try machine.end().status, 0)
        XCTAssertNotEqual(path.withCString { access($0, F_OK) }, 0, "the socket is left")
    }

    func testEveryArgumentIsAText() {
        var random = SplitMix64(seed: Seed.value)
        var arguments: [[UInt8]] = [
            [], Array("é\u{10fffd}\u{10ff80}x".utf8), [0xff, 0xfe], Array(1...255),
            [0xf4, 0x8f, 0xbe],
        ]
        for _ in 0..<1000 {
            arguments.append((0..<random.number(0...12)).map { _ in UInt8(random.number(1...255)) })
        }
        for argument in arguments {
            let text = RawArguments.text(of: argument)
            XCTAssertEqual(RawArguments.bytes(of: text), argument, Seed.text)
        }
        XCTAssertEqual(RawArguments.text(of: Array("aé€😀".utf8)), "aé€😀")
        XCTAssertNotEqual(
            RawArguments.text(of: [0xff]), RawArguments.text(of: Array("\u{10ffff}".utf8)))
    }
}
