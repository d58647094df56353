import BlockState
import CTestSupport
import XCTest

/// The bytes of a state, and what a reader says of states that are not as they should be.
final class StateFormatTests: XCTestCase {
    /// The only version of the device that has no additions.
    private let format = StateFormat(magic: "TEST", versions: 3...3)

    private var device: Device {
        var device = Device()
        device.body.small = 9
        device.body.large = 0x1122_3344_5566_7788
        device.body.size = 500
        device.body.isOn = true
        device.body.mode = .third
        device.body.key = [0xA, 0xB, 0xC]
        device.body.text = Array("some text".utf8)
        device.body.table = [1, .max]
        device.body.part = .init(low: 0x0102, high: 0x0304)
        device.body.parts = [.init(low: 1, high: 2), .init(low: 3, high: 3)]
        device.body.extra = .init(low: 4, high: 0xFFFF)
        device.tail.last = 0xEE
        return device
    }

    private func expect(
        _ state: [UInt8], _ error: StateError, file: StaticString = #filePath, line: UInt = #line
    ) {
        XCTAssertThrowsError(try format.read(state, into: Device()), file: file, line: line) {
            XCTAssertEqual($0 as? StateError, error, file: file, line: line)
        }
    }

    /// The name of the field that is refused.
    private func refusedField(_ state: [UInt8], file: StaticString = #filePath, line: UInt = #line)
        -> String?
    {
        do {
            _ = try format.read(state, into: Device())
            XCTFail("accepted", file: file, line: line)
            return nil
        } catch .damaged(let field, _) {
            return field
        } catch {
            XCTFail("\(error)", file: file, line: line)
            return nil
        }
    }

    func testTheBytes() throws {
        let body: [UInt8] = [
            9, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0xF4, 0x01, 1, 7, 0xA, 0xB, 0xC,
            9, 0, 0, 0,
        ]
        let rest: [UInt8] = [
            2, 0, 0, 0, 1, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 2, 1, 4, 3, 1, 0, 2, 0, 3, 0, 3, 0, 4,
            0, 0xFF, 0xFF,
        ]
        let content = body + Array("some text".utf8) + rest
        let expected =
            Array("TEST".utf8) + [3, 0, 0, 0, 4] + Array("body".utf8)
            + [UInt8(content.count), 0, 0, 0] + content + [4] + Array("tail".utf8)
            + [1, 0, 0, 0, 0xEE]
        XCTAssertEqual(try format.write(device), expected)
        XCTAssertEqual(try format.read(expected, into: Device()), device)
    }

    func testTruncatedAtEveryLength() throws {
        let state = try format.write(device)
        for length in state.indices {
            let field = refusedField(Array(state[..<length]))
            XCTAssertNotNil(field, "\(length)")
        }
        XCTAssertEqual(refusedField([]), "magic")
        XCTAssertEqual(refusedField(Array(state[..<6])), "version")
        XCTAssertEqual(refusedField(Array(state[..<20])), "body")
        XCTAssertEqual(refusedField(state.dropLast()), "tail")
    }

    /// The section says that it is shorter, and so the field that does not fit is named.
    func testShorterSections() throws {
        let state = try format.write(device)
        let fields = [
            (0, "small"), (1, "large"), (10, "size"), (11, "isOn"), (12, "mode"), (14, "key"),
            (17, "text"), (27, "text"), (31, "table"), (40, "table"), (42, "part.low"),
            (44, "part.high"), (45, "parts[0].low"), (52, "parts[1].high"), (54, "extra.low"),
        ]
        for (length, field) in fields {
            var shorter = state
            shorter[13] = UInt8(length)
            XCTAssertEqual(refusedField(shorter), "body.\(field)", "\(length)")
        }
    }

    func testMagicAndVersion() throws {
        let state = try format.write(device)
        var other = state
        other[0] = 0x74
        expect(
            other,
            .damaged(field: "magic", reason: "the state does not begin with \"TEST\""))
        for version: UInt32 in [0, 1, 2, 4, .max] {
            other = state
            for byte in 0..<4 { other[4 + byte] = UInt8(truncatingIfNeeded: version >> (8 * byte)) }
            expect(other, .version(found: version, known: 3...3))
        }
    }

    func testSections() throws {
        let state = try format.write(device)
        let end = state.count
        // "tail" is the last section, of ten bytes.
        expect(
            Array(state[..<(end - 10)]),
            .damaged(field: "tail", reason: "the state ends before its end"))
        var other = state
        other[end - 9] = 0x6E
        expect(
            other, .damaged(field: "tail", reason: "in its place is section \"nail\""))
        other[end - 9] = 7
        expect(other, .damaged(field: "tail", reason: "no section begins here"))
        other = state
        other[end - 10] = 0
        expect(other, .damaged(field: "tail", reason: "no section begins here"))
        expect(
            state + [3] + Array("new".utf8) + [0, 0, 0, 0],
            .damaged(field: "new", reason: "version 3 has no such section"))
        expect(
            state + [0],
            .damaged(field: "section", reason: "1 bytes follow the last section"))
        other = state + [0]
        other[end - 5] = 2
        expect(
            other, .damaged(field: "tail", reason: "1 bytes follow its last field"))
        other[end - 5] = 3
        expect(other, .damaged(field: "tail", reason: "the state ends before its end"))
        other[end - 2] = 0xFF
        expect(other, .damaged(field: "tail", reason: "the state ends before its end"))
    }

    func testValuesThatAFieldCannotHave() throws {
        let state = try format.write(device)
        let start = 17
        let changes: [(place: Int, bytes: [UInt8], field: String)] = [
            (0, [0], "small"), (0, [10], "small"), (1, [0x89], "large"), (9, [0xF5], "size"),
            (11, [2], "isOn"), (12, [0], "mode"), (12, [3], "mode"), (16, [101], "text"),
            (29, [5], "table"), (41, [5, 4], "part.bounds"), (49, [4], "parts[1].bounds"),
        ]
        for (place, bytes, field) in changes {
            var other = state
            other.replaceSubrange(start + place..<start + place + bytes.count, with: bytes)
            XCTAssertEqual(refusedField(other), "body.\(field)", "\(place)")
        }
    }

    /// A state that could not be loaded is not saved.
    func testWritingChecks() throws {
        let changes: [(field: String, change: (inout Device.Body) -> Void)] = [
            ("small", { $0.small = 0 }), ("large", { $0.large = 1 }), ("size", { $0.size = 501 }),
            ("size", { $0.size = -1 }), ("size", { $0.size = 65536 }), ("key", { $0.key = [1] }),
            ("text", { $0.text = .init(repeating: 0, count: 101) }),
            ("table", { $0.table = .init(repeating: 0, count: 5) }),
            ("part.bounds", { $0.part.low = .max }), ("extra", { $0.extra = nil }),
            ("extra", { $0.mode = .first }),
        ]
        for (field, change) in changes {
            var wrong = device
            change(&wrong.body)
            XCTAssertThrowsError(try format.write(wrong), field) {
                guard case StateError.damaged(let found, _) = $0 else { return XCTFail("\($0)") }
                XCTAssertEqual(found, "body.\(field)")
            }
        }
    }

    func testALaterVersionReadsAnEarlierOne() throws {
        let old = try format.write(device)
        let read = try LaterDevice.format.read(old, into: LaterDevice())
        var expected = LaterDevice()
        expected.body.old = device.body
        expected.tail.last = device.tail.last
        XCTAssertEqual(read, expected, "what is new is as it was")
        var later = expected
        later.body.number = 1
        later.body.isOn = false
        later.body.key = [3]
        later.body.table = [4, 5]
        later.middle = .init(low: 1, high: 1)
        later.tail.after = 0xFFFF
        let new = try LaterDevice.format.write(later)
        XCTAssertEqual(new[4], 4)
        XCTAssertEqual(try LaterDevice.format.read(new, into: LaterDevice()), later)
        expect(new, .version(found: 4, known: 3...3))
    }

    func testErrorsNameWhereTheyAre() {
        func expect(_ inner: StateError, _ outer: StateError, line: UInt = #line) {
            do throws(StateError) {
                try StateError.inside("primary") { () throws(StateError) in
                    try StateError.inside("drive") { () throws(StateError) in throw inner }
                }
            } catch {
                return XCTAssertEqual(error, outer, line: line)
            }
            XCTFail("no error", line: line)
        }
        expect(
            .damaged(field: "job", reason: "no"),
            .damaged(field: "primary.drive.job", reason: "no"))
        expect(
            .mismatch(field: "size", reason: "no"),
            .mismatch(field: "primary.drive.size", reason: "no"))
        expect(.version(found: 1, known: 3...4), .version(found: 1, known: 3...4))
    }

    /// What a state claims, or how long it is, is not what is allocated.
    func testLargeStatesAndClaims() throws {
        let state = try format.write(device)
        let padding = [UInt8](repeating: 0, count: 100 << 20)
        expectSmallRefusal(state + padding)
        // The length of a section, the text's, and the table's.
        for place in [13, 33, 46] {
            for count: UInt32 in [1 << 20, 100 << 20, .max] {
                var other = state
                for byte in 0..<4 {
                    other[place + byte] = UInt8(truncatingIfNeeded: count >> (8 * byte))
                }
                expectSmallRefusal(other)
                if count == 100 << 20 { expectSmallRefusal(other + padding) }
            }
        }
    }

    /// The state is refused before much is allocated.
    private func expectSmallRefusal(
        _ state: [UInt8], file: StaticString = #filePath, line: UInt = #line
    ) {
        cts_allocations_start()
        let field = refusedField(state, file: file, line: line)
        cts_allocations_stop()
        XCTAssertNotNil(field, file: file, line: line)
        guard cts_allocations_are_countable() else { return }
        XCTAssertLessThan(cts_allocations_bytes(), 1 << 20, file: file, line: line)
    }

    func testDescription() {
        let text = LaterDevice.format.describe(LaterDevice())
        for line in [
            "| `body` | section, [LaterDevice.Body](#laterdevicebody) |  | 3 |",
            "| `middle` | section, [Device.Part](#devicepart) |  | 4 |",
            "| `small` | 1 byte | 1 to 9 | 3 |", "| `large` | 8 bytes | even | 3 |",
            "| `size` | 2 bytes | 0 to 500 | 3 |", "| `isOn` | 1 byte | 0 or 1 | 3 |",
            "| `mode` | 1 byte | 1 first, 2 second, 7 third | 3 |", "| `key` | 3 bytes |  | 3 |",
            "| `text` | count in 4 bytes, then bytes | up to 100 bytes | 3 |",
            "| `table` | count in 4 bytes, then elements of 4 bytes | up to 4 elements | 3 |",
            "| `parts` | 2 times [Device.Part](#devicepart) |  | 3 |",
            "| `extra` | [Device.Part](#devicepart) | only if `mode` is third | 3 |",
            "| `number` | 4 bytes |  | 4 |", "- `bounds`: `low` is not above `high`",
        ] {
            XCTAssertTrue(text.components(separatedBy: "\n").contains(line), "\(line) in\n\(text)")
        }
        XCTAssertEqual(text.components(separatedBy: "### Device.Part\n").count, 2, "once")
    }
}
