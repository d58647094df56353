import BlockIO
import CTestSupport
import Glibc
import XCTest

@testable import IDEMachine
@testable import TestSupport

/// QMP input by chance, most of it nearly right. BLOCKIO_SEED repeats a run, BLOCKIO_ROUNDS makes it longer.
final class QMPFuzzTests: XCTestCase {
    private var generator = SplitMix64(seed: Seed.value)
    private var directory: TemporaryDirectory!
    private var server: QMPServer!
    private var connection: Connection!
    private var peer: LineSocket!

    /// Nothing that writes a file, and not the end.
    private static let commands = [
        #"{"execute": "query-status", "id": [1, 2.5, "x", null, {"a": true}]}"#,
        #"{"execute": "qmp_capabilities"}"#, "{'execute': 'stop'}", #"{"execute": "cont"}"#,
        #"{"execute": "query-blockstats", "arguments": {}, "id": 18446744073709551615}"#,
        #"{"execute": "eject", "arguments": {"device": "primary-slave"}}"#,
        #"{"execute": "x-hold", "arguments": {"drive": "primary-master", "operation": "read"}}"#,
        #"{"execute": "x-release", "arguments": {"drive": "primary-master", "operation": "read"}}"#,
        #"{"execute": "x-fault", "arguments": {"drive": "primary-master", "operation": "write", "#
            + #""errno": "ENOSPC", "count": 1, "after": 3}}"#,
        #"{"execute": "x-dirty-pages", "arguments": {"clear": false}}"#,
        #"["\u00e9\ud83d\ude00", -1e-3, {}, [], [[[]]]]"#, "null", "0", "'text'",
    ]
    private static let pieces = [
        "{", "}", "[", "]", ",", ":", "\"", "'", "\\", "\\u", "\\ud800", "\n", "\0", "-", "0",
        "1e400",
        "true", "nul", "{\"execute\":", "\u{301}\u{323}", "\u{feff}", "[[[[[[[[", "{\"a\":{\"a\":",
        " ",
    ]

    override func setUpWithError() throws {
        directory = try orSkip(TemporaryDirectory(in: ScratchSpace.directoryWithDirectIO()))
        try Bench.makeDisk(directory.path("disk.img"), size: 1 << 20)
        let machine = try QtestMachine(
            try MachineOptions.parse([
                "--memory", "1", "--drive", "primary-master=\(directory.path("disk.img"))",
                "--drive", "primary-slave=,media=cdrom",
            ]))
        let listener = try ListeningSocket(directory.path("qmp"))
        connection = try Connection(to: Pathname(directory.path("qmp")))
        peer = LineSocket(try listener.accept())
        server = QMPServer(machine, connection)
        XCTAssertNotNil(try peer.line(), "no greeting")
    }

    override func tearDown() {
        server = nil
        connection = nil
        peer = nil
        directory?.close()
    }

    private func pick<Value>(_ values: [Value]) -> Value {
        values[generator.number(0...values.count - 1)]
    }

    /// A few values, changed in a few places.
    private func input() -> [UInt8] {
        var bytes: [UInt8] = []
        for _ in 0..<generator.number(1...6) {
            bytes += pick(Self.commands).utf8
            if generator.number(0...3) == 0 { bytes += pick(["\n", "\r\n", " ", ""]).utf8 }
        }
        for _ in 0..<generator.number(0...4) {
            let place = generator.number(0...bytes.count)
            let end = min(bytes.count, place + generator.number(0...24))
            switch generator.number(0...6) {
            case 0: if place < bytes.count { bytes[place] ^= 1 << UInt8(generator.number(0...7)) }
            case 1: bytes.removeSubrange(place..<end)
            case 2: bytes.insert(contentsOf: Array(bytes[place..<end]), at: place)
            case 3: bytes.insert(UInt8(truncatingIfNeeded: generator.next()), at: place)
            case 4:
                let piece = Array(pick(Self.pieces).utf8)
                let count = pick([1, 1, 1, 2, 40, 400])
                bytes.insert(contentsOf: (0..<count).flatMap { _ in piece }, at: place)
            case 5: bytes.replaceSubrange(place..<end, with: pick(Self.pieces).utf8)
            default: bytes.removeSubrange(place...)
            }
            if bytes.isEmpty { bytes = [0x7b] }
        }
        return bytes
    }

    /// Lets the server work until the peer's next answer has come.
    private func answer() throws -> [String: Any] {
        for _ in 0..<10_000 {
            if peer.isReadable(within: 0) {
                let line = try XCTUnwrap(try peer.line())
                let value = try JSONSerialization.jsonObject(with: Data(line.utf8))
                return try XCTUnwrap(value as? [String: Any], line)
            }
            connection.flush()
            connection.receive()
            server.serve()
        }
        throw FixtureError.failed("no answer, seed \(Seed.text)")
    }

    /// Every answer is a JSON object with one of the members that the protocol has; and after any input
    /// and a newline, commands are answered.
    func testPeersThatSayAnything() throws {
        var answers = 0
        var kinds: [String: Int] = [:]
        var bytes = 0
        let rounds = 3000 * Rounds.count
        for round in 0..<rounds {
            var rest = input()[...]
            bytes += rest.count
            while !rest.isEmpty {
                let part = rest.prefix(generator.number(1...max(1, rest.count)))
                try peer.send(part)
                rest = rest.dropFirst(part.count)
                connection.receive()
                server.serve()
            }
            // The newline ends what is left of a line, but not an object: that has an end of its own.
            let marker = "marker \(round)"
            var isFound = false
            try peer.send("\n\0\n{\"execute\": \"query-status\", \"id\": \"\(marker)\"}\n".utf8)
            while !isFound {
                let message = try answer()
                answers += 1
                let kind = try XCTUnwrap(
                    ["return", "error", "event"].first { message[$0] != nil }, "\(message)")
                kinds[kind, default: 0] += 1
                isFound = message["id"] as? String == marker
            }
            XCTAssertFalse(server.isQuitting)
        }
        print("\(rounds) inputs, \(bytes) bytes, \(answers) answers \(kinds), seed \(Seed.text)")
        // Most inputs hold values that get as far as they can.
        XCTAssertGreaterThan(kinds["return", default: 0], rounds + rounds / 2, Seed.text)
        XCTAssertGreaterThan(kinds["error", default: 0], rounds, Seed.text)
        XCTAssertGreaterThan(kinds["event", default: 0], 0, Seed.text)
    }

    /// What the parser takes, it writes as JSON that another parser takes, and takes again.
    func testValuesThatAreTakenAreJSON() throws {
        var taken = 0
        for _ in 0..<20_000 * Rounds.count {
            let bytes = input()
            var framer = JSONFramer()
            var place = 0
            while place < bytes.count {
                let (count, frame) = bytes.withUnsafeBytes {
                    framer.next(.init(rebasing: $0[place...]))
                }
                place += count
                guard case .text(let text) = frame, let value = try? JSONParser.parse(text) else {
                    continue
                }
                taken += 1
                let written = value.text
                XCTAssertNoThrow(
                    try JSONSerialization.jsonObject(
                        with: Data(written), options: .fragmentsAllowed), Seed.text)
                XCTAssertEqual(try JSONParser.parse(written).text, written, Seed.text)
            }
        }
        print("\(taken) values, seed \(Seed.text)")
        XCTAssertGreaterThan(taken, 20_000, Seed.text)
    }
}
