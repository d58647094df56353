import CTestSupport
import XCTest

@testable import IDEMachine

/// The values of JSON, and what QEMU takes besides.
final class JSONParserTests: XCTestCase {
    /// The value of a text, written again; `nil` when the text is refused.
    private func rewritten(_ text: some StringProtocol) -> String? {
        (try? JSONParser.parse(Array(text.utf8))).map { String(decoding: $0.text, as: UTF8.self) }
    }

    func testValues() {
        let values = [
            ("null", "null"), (" true ", "true"), ("false\n", "false"), ("0", "0"), ("-0", "0"),
            ("-12", "-12"), ("9223372036854775807", "9223372036854775807"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("18446744073709551615", "18446744073709551615"), ("2.5", "2.5"), ("1e3", "1000.0"),
            ("18446744073709551616", "1.8446744073709552e+19"), ("-1.25E-2", "-0.0125"),
            ("[]", "[]"), ("{ }", "{}"), ("[1 , [2],\t{\"a\": 3}]", #"[1,[2],{"a":3}]"#),
            ("{'b': 1, \"a\": 'say \"hi\"'}", #"{"a":"say \"hi\"","b":1}"#),
            (#""\"\'\\\/\b\f\n\r\t""#, #""\"'\\/\u0008\u000c\u000a\u000d\u0009""#),
            (#""\u00e9\u20AC\ud83d\ude00""#, "\"é€😀\""), (#""\u0000""#, #""\u0000""#),
            ("\"é\u{301}\u{7f}\"", "\"é\u{301}\u{7f}\""),
        ]
        for (text, expected) in values { XCTAssertEqual(rewritten(text), expected, text) }
    }

    func testWhatIsNoValueIsRefused() {
        let texts = [
            "", " ", "nul", "True", "nullx", "01", "-", "-01", "1.", ".5", "1e", "1e+", "+1",
            "1e999",
            "[", "[1", "[1,", "[1,]", "[,]", "[1 2]", "]", "{", "{1:2}", "{\"a\"}", "{\"a\":}",
            "{\"a\":1,}", "{\"a\":1 \"b\":2}", "{a:1}", "{]", "[}", "1 2", "\"", "\"\\\"", #""\x""#,
            #""\u12""#, #""\u12g4""#, #""\ud800""#, #""\ud800\u0041""#, #""\udc00""#, "// x\n1",
            "{\"a\":1,\"a\":2}", "NaN", "Infinity",
        ]
        for text in texts { XCTAssertNil(rewritten(text), text) }
        for bytes: [UInt8] in [[0x22, 0xff, 0x22], [0x22, 0xc0, 0x80, 0x22], [0x22, 0xe9, 0x22]] {
            XCTAssertThrowsError(try JSONParser.parse(bytes), "\(bytes)")
        }
    }

    /// Names are other names when their bytes are, whatever they mean in Unicode.
    func testNamesAreBytes() {
        XCTAssertEqual(
            rewritten("{\"e\u{301}\": 1, \"\u{e9}\": 2}"), "{\"e\u{301}\":1,\"\u{e9}\":2}")
    }

    /// The work grows as the text does. It is counted in allocations: what was decoded again and again
    /// was allocated again and again.
    func testWorkIsLinear() throws {
        guard cts_allocations_are_countable() else { return }
        let texts: [(String, (Int) -> String)] = [
            (
                "keys",
                { count in "{" + (0..<count).map { "\"k\($0)\":0" }.joined(separator: ",") + "}" }
            ),
            (
                "deep",
                { count in
                    let deep = String(repeating: "[", count: 31) + String(repeating: "]", count: 31)
                    return "[" + [String](repeating: deep, count: count / 32).joined(separator: ",")
                        + "]"
                }
            ),
            ("escapes", { count in "\"" + String(repeating: "\\u00e9", count: count) + "\"" }),
        ]
        for (name, make) in texts {
            func allocations(_ count: Int) throws -> UInt64 {
                let text = Array(make(count).utf8)
                cts_allocations_start()
                let value = try JSONParser.parse(text)
                let written = value.text
                let count = cts_allocations_stop()
                XCTAssertGreaterThan(written.count, 0)
                return count
            }
            let few = try allocations(4096)
            let many = try allocations(8192)
            XCTAssertGreaterThan(few, 0)
            XCTAssertLessThan(many, 3 * few, name)
            // The longest text that QMP takes, which once was hours.
            XCTAssertLessThan(few, 40 * 4096, name)
        }
    }
}
