import XCTest

@testable import TestSupport

/// The QMP face as a protocol.
final class QMPProtocolTests: XCTestCase {
    func testCommandsWaitForTheNegotiation() throws {
        let directory = try TemporaryDirectory()
        let sockets = try ["qtest", "qmp"].map { try ListeningSocket(directory.path($0)) }
        let machine = try MachineProcess([
            "--qtest", "unix:\(sockets[0].path)", "--qmp", "unix:\(sockets[1].path)",
        ])
        let qtest = try sockets[0].accept(from: machine)
        let qmp = QMPClient(try sockets[1].accept(from: machine))
        let greeting = try XCTUnwrap(try qmp.answer()["QMP"] as? [String: Any])
        XCTAssertNotNil(greeting["version"])
        XCTAssertEqual((greeting["capabilities"] as? [Any])?.count, 0)
        XCTAssertEqual(try qmp.error("query-status").0, "CommandNotFound")
        XCTAssertEqual(try qmp.error("stop").0, "CommandNotFound")
        try qmp.run("qmp_capabilities")
        XCTAssertEqual(try qmp.error("qmp_capabilities").0, "CommandNotFound")
        XCTAssertEqual(
            (try qmp.run("query-status") as? [String: Any])?["status"] as? String, "running")
        XCTAssertTrue(qmp.events.isEmpty)
        qtest.close()
        XCTAssertEqual(try machine.end().status, 0)
    }

    func testStopAndContinue() throws {
        let bench = try Bench()
        func status() throws -> [String: Any] {
            try XCTUnwrap(try bench.qmp.run("query-status") as? [String: Any])
        }
        XCTAssertEqual(try status()["running"] as? Bool, true)
        try bench.qmp.run("cont")
        XCTAssertTrue(bench.qmp.events.isEmpty)
        for _ in 0..<2 { try bench.qmp.run("stop") }
        XCTAssertEqual(try status()["running"] as? Bool, false)
        XCTAssertEqual(try status()["status"] as? String, "paused")
        XCTAssertEqual(bench.qmp.events.count, 1, "the event precedes the answer, and comes once")
        XCTAssertEqual(try bench.qmp.event().name, "STOP")
        try bench.qmp.run("cont")
        XCTAssertEqual(try bench.qmp.event().name, "RESUME")
        XCTAssertEqual(try status()["status"] as? String, "running")
        try bench.end()
    }

    func testIdentifiersComeBack() throws {
        let bench = try Bench()
        let id: [String: Any] = ["a": [1, "two", NSNull(), true, 2.5], "b": 9_007_199_254_740_993]
        let answer = try bench.qmp.answer(to: ["execute": "query-status", "id": id])
        XCTAssertEqual(answer["id"] as? NSDictionary, id as NSDictionary)
        let error = try bench.qmp.answer(to: ["execute": "nonsense", "id": "x"])
        XCTAssertEqual(error["id"] as? String, "x")
        try bench.end()
    }

    func testWhatIsNoCommandIsAnErrorAndNoMore() throws {
        let bench = try Bench(["--drive", "primary-master=DIR/disk.img"], size: 1 << 20)
        let garbage = [
            "nonsense\n", "}\n", "{]\n", "{\"execute\": }", "[]", "{}", "{\"execute\": 7}",
            "{\"execute\": \"stop\", \"arguments\": 1}", "{\"execute\": \"stop\", \"x\": 1}",
            "{\"execute\": \"sto\np\"}\n", "\u{0}\n", "\"text\"\n", "{\"execute\" \"stop\"}",
            String(repeating: "[", count: 100_000) + "\n",
            "{\"execute\": \"\(String(repeating: "x", count: 1 << 19))\"}",
            "{\"execute\": \"\(String(repeating: "x", count: 2 << 20))\"}\n",
            // Once 0.6 s, and twice that for each further level.
            "{\"id\": \(String(repeating: "[", count: 400))\(String(repeating: "]", count: 400))}\n",
            // Comparing such texts as Unicode takes a time that grows with the square of their length.
            "{\"execute\": \"a\(String(repeating: "\u{301}\u{323}", count: 100_000))\"}",
            "{\"a\(String(repeating: "\u{301}\u{323}", count: 100_000))\": 1}",
        ]
        for (index, text) in garbage.enumerated() {
            try bench.qmp.socket.send(text.utf8)
            XCTAssertNotNil(try bench.qmp.answer()["error"], "\(text.prefix(40))")
            // What follows on the same line may be garbage of its own.
            var answer = try bench.qmp.answer(to: ["execute": "query-status", "id": index])
            while answer["id"] as? Int != index { answer = try bench.qmp.answer() }
        }
        XCTAssertEqual(bench.qmp.events.count, 0)
        try bench.end()
    }

    func testArgumentsAreChecked() throws {
        let bench = try Bench(["--drive", "primary-master=DIR/disk.img"], size: 1 << 20)
        let drive = "primary-master"
        let wrong: [(String, [String: Any])] = [
            ("stop", ["now": true]), ("query-blockstats", ["device": drive]), ("x-hold", [:]),
            ("x-hold", ["drive": drive]), ("x-hold", ["drive": drive, "operation": "seek"]),
            ("x-hold", ["drive": 1, "operation": "read"]),
            ("x-fault", ["drive": drive, "operation": "read", "errno": "ENOTHING"]),
            ("x-fault", ["drive": drive, "operation": "read", "count": -1]),
            ("x-fault", ["drive": drive, "operation": "read", "after": "all"]),
            ("x-dirty-pages", ["clear": 1]), ("x-save", [:]),
            ("x-save", ["path": "/nonexistent/x"]),
            ("x-load", ["path": "/nonexistent/x"]), ("eject", [:]),
            ("blockdev-change-medium", ["device": drive]),
            ("eject", ["device": drive]),
            ("blockdev-change-medium", ["device": drive, "filename": "/dev/null"]),
        ]
        for (command, arguments) in wrong {
            XCTAssertEqual(
                try bench.qmp.error(command, arguments).0, "GenericError", "\(command) \(arguments)"
            )
        }
        for (command, name) in [
            ("x-hold", "drive"), ("x-release", "drive"), ("x-fault", "drive"), ("eject", "device"),
        ] {
            let error = try bench.qmp.error(command, [name: "primary-slave", "operation": "read"])
            XCTAssertEqual(error.0, "DeviceNotFound", command)
        }
        XCTAssertEqual(try bench.qmp.error("human-monitor-command").0, "CommandNotFound")
        try bench.end()
    }

    /// In parts, several at once, without newlines, in single quotes.
    func testMessagesAreCutOutOfTheStream() throws {
        let bench = try Bench()
        for part in ["{\"exec", "ute\":\n\n \"query-", "status\", \"id\": \"}{\\\"\"", "}"] {
            try bench.qmp.socket.send(part.utf8)
            usleep(2_000)
        }
        XCTAssertEqual(try bench.qmp.answer()["id"] as? String, "}{\"")
        let many = (0..<500).map { "{'execute': 'query-status', 'id': \($0)}" }.joined()
        try bench.qmp.socket.send(many.utf8)
        for index in 0..<500 { XCTAssertEqual(try bench.qmp.answer()["id"] as? Int, index) }
        try bench.end()
    }

    func testQuit() throws {
        let bench = try Bench()
        try bench.qmp.run("quit")
        XCTAssertEqual(try bench.machine.end().status, 0)
    }
}
