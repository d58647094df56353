import CTestSupport
import XCTest

@testable import TestSupport

/// `blockio vhost-user-blk` as a program.
final class ToolTests: FrontEndTestCase {
    private func tool(
        _ arguments: [String], script: String? = nil, output: Descriptor? = nil
    ) throws -> ProgramProcess {
        try ProgramProcess(
            program: "blockio", ["vhost-user-blk"] + arguments, script: script, output: output)
    }

    func testCapabilities() throws {
        let pipe = try Descriptor.pipe()
        let tool = try tool(["--print-capabilities"], output: pipe.writing)
        pipe.writing.close()
        XCTAssertEqual(
            pipe.reading.readToEnd(),
            "{\"type\": \"block\", \"features\": [\"read-only\", \"blk-file\"]}\n")
        XCTAssertEqual(try tool.end().status, 0)
    }

    func testWrongCommandLines() throws {
        let image = ["--blk-file", pathForChildren]
        for (arguments, text) in [
            ([], "one of --socket-path and --fd is needed"),
            (image, "one of --socket-path and --fd is needed"),
            (
                ["--socket-path", "/x", "--fd", "3"] + image,
                "one of --socket-path and --fd is needed"
            ),
            (["--socket-path", "/x"], "--blk-file is needed"),
            (["--socket-path", "/x", "--poll-microseconds", "-1"] + image, "poll-microseconds"),
            (["--socket-path", "/x", "--engine", "fast"] + image, "engine"),
            (["--socket-path", "/x", "--format", "vmdk"] + image, "format"),
            (["--fd", "99"] + image, "Bad file descriptor"),
            (["--socket-path", "/nowhere/x", "--direct", "off"] + image, "bind(2)"),
            (["--socket-path", "/x", "--blk-file", "/nowhere"], "No such file or directory"),
            (["--fd", "0", "--num-queues", "0"] + image, "--num-queues 0 is not 1 to 256"),
            (["--fd", "0", "--num-queues", "257"] + image, "--num-queues 257 is not 1 to 256"),
            (["--fd", "0", "--queue-size", "5"] + image, "power of two"),
            (["--fd", "0", "--iops-total", "-1"] + image, "iops-total"),
            (["--fd", "0", "--bps-read", "1M"] + image, "bps-read"),
            (["--fd", "0", "--bps-read-max", "9"] + image, "--bps-read-max needs --bps-read"),
            (
                ["--fd", "0", "--iops-write", "9", "--iops-write-max", "8"] + image,
                "--iops-write-max 8 is less than --iops-write 9"
            ),
        ] {
            let end = try tool(arguments).end()
            XCTAssertEqual(end.status, 1, "\(arguments)")
            XCTAssertTrue(end.errors.contains(text), "\(arguments): \(end.errors)")
        }
    }

    /// On SIGTERM it ends with status 0, with a front end and without; on SIGUSR1 it says what it has done.
    func testSignals() throws {
        let directory = try TemporaryDirectory()
        let socketPath = directory.path("socket")
        for connects in [false, true] {
            let tool = try tool([
                "--socket-path", socketPath, "--blk-file", pathForChildren, "--direct", "off",
            ])
            try eventually("the tool listens") { access(socketPath, F_OK) == 0 }
            var frontEnd: FrontEnd?
            if connects {
                frontEnd = try FrontEnd(
                    nil, try SystemCall.check(cts_connect(socketPath), "connect"))
                try frontEnd?.start()
                XCTAssertEqual(try frontEnd?.run(VirtioType.read, length: 512), VirtioStatus.ok)
                tool.signal(SIGUSR1)
                _ = try frontEnd?.socket.ask(VhostRequest.getQueueNum)
            }
            tool.signal(SIGTERM)
            let end = try tool.end()
            XCTAssertEqual(end.status, 0, end.errors)
            let lines = end.errors.split(separator: "\n")
            XCTAssertEqual(lines.count, connects ? 2 : 1, end.errors)
            for line in lines {
                XCTAssertTrue(
                    line.contains(" requests=\(connects ? 1 : 0) failures=0 "), end.errors)
                XCTAssertTrue(line.hasSuffix(" requests-by-queue=\(connects ? 1 : 0)"), end.errors)
            }
            XCTAssertNotEqual(access(socketPath, F_OK), 0, "the socket is removed")
        }
    }

    /// The program need not be able to open the image.
    func testAnImageByDescriptor() throws {
        let script =
            #"exec "$0" vhost-user-blk --fd 0 --blk-file /dev/fd/9 --direct off "#
            + #"--num-queues 2 9<>"$1""#
        var ends: [CInt] = [-1, -1]
        try SystemCall.check(cts_socketpair(&ends), "socketpair")
        let theirs = Descriptor(ends[0])
        let tool = try ProgramProcess(
            program: "blockio", [pathForChildren], script: script, input: theirs)
        theirs.close()
        let frontEnd = try FrontEnd(nil, ends[1], ringCount: 2)
        try frontEnd.start()
        for ring in 0..<2 {
            XCTAssertEqual(
                try frontEnd.run(VirtioType.read, sector: 8, length: 512, ring: ring),
                VirtioStatus.ok)
            XCTAssertEqual(frontEnd.bytes(512), Self.content(at: 4096, 512))
        }
        frontEnd.socket.socket.close()
        XCTAssertEqual(try tool.end().status, 0)
    }

    /// Limits of a byte in a second: a second read of a sector waits for minutes, and so does the third write. The end
    /// of the program does not wait for them.
    func testRateLimits() throws {
        var ends: [CInt] = [-1, -1]
        try SystemCall.check(cts_socketpair(&ends), "socketpair")
        let theirs = Descriptor(ends[0])
        let tool = try ProgramProcess(
            program: "blockio",
            [
                "vhost-user-blk", "--fd", "0", "--blk-file", pathForChildren, "--direct", "off",
                "--bps-read", "1", "--bps-write", "1", "--bps-write-max", "1024",
            ], input: theirs)
        theirs.close()
        let frontEnd = try FrontEnd(nil, ends[1])
        try frontEnd.start()
        XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 512), VirtioStatus.ok)
        frontEnd.add(VirtioType.read, length: 512, index: 1)
        frontEnd.publish()
        for _ in 0..<2 {
            XCTAssertEqual(try frontEnd.run(VirtioType.write, length: 512), VirtioStatus.ok)
        }
        frontEnd.add(VirtioType.write, length: 512, index: 2)
        frontEnd.publish()
        XCTAssertEqual(try frontEnd.run(VirtioType.flush), VirtioStatus.ok)
        for index in 1...2 {
            XCTAssertEqual(frontEnd.status(index), VirtioStatus.untouched)
        }
        tool.signal(SIGTERM)
        XCTAssertEqual(try tool.end().status, 0)
        for index in 1...2 { XCTAssertEqual(frontEnd.status(index), VirtioStatus.ok) }
    }

    /// By descriptor: QEMU's tests pass a socket that listens, the protocol's text means one that is
    /// connected. With the latter the program ends with its front end.
    func testSocketsByDescriptor() throws {
        let arguments = ["--fd", "0", "--blk-file", pathForChildren, "--direct", "off"]
        var ends: [CInt] = [-1, -1]
        try SystemCall.check(cts_socketpair(&ends), "socketpair")
        let theirs = Descriptor(ends[0])
        let connected = try ProgramProcess(
            program: "blockio", ["vhost-user-blk"] + arguments, input: theirs)
        theirs.close()
        let frontEnd = try FrontEnd(nil, ends[1])
        try frontEnd.start()
        XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 512), VirtioStatus.ok)
        frontEnd.socket.socket.close()
        XCTAssertEqual(try connected.end().status, 0)

        let directory = try TemporaryDirectory()
        let socketPath = directory.path("socket")
        let listener = Descriptor(try SystemCall.check(cts_listen(socketPath), "listen"))
        let listening = try ProgramProcess(
            program: "blockio", ["vhost-user-blk"] + arguments, input: listener)
        listener.close()
        for _ in 0..<2 {
            let frontEnd = try FrontEnd(
                nil, try SystemCall.check(cts_connect(socketPath), "connect"))
            try frontEnd.start()
            XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 512), VirtioStatus.ok)
            frontEnd.socket.socket.close()
        }
        XCTAssertTrue(listening.isRunning)
        listening.signal(SIGTERM)
        XCTAssertEqual(try listening.end().status, 0)
    }
}
