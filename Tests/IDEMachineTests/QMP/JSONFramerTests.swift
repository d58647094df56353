import XCTest

@testable import IDEMachine

/// Values are found in a stream, whatever is between them and however the stream is cut.
final class JSONFramerTests: XCTestCase {
    /// The frames of a stream that comes in parts of `step` bytes: the texts, and "!" and the reason of
    /// what is refused.
    private func frames(_ stream: some Sequence<UInt8>, step: Int = .max) -> [String] {
        var framer = JSONFramer()
        var found: [String] = []
        var rest = Array(stream)[...]
        while !rest.isEmpty {
            let part = Array(rest.prefix(step))
            rest = rest.dropFirst(part.count)
            part.withUnsafeBytes { bytes in
                var bytes = UnsafeRawBufferPointer(rebasing: bytes[...])
                while !bytes.isEmpty {
                    let (taken, frame) = framer.next(bytes)
                    bytes = UnsafeRawBufferPointer(rebasing: bytes[taken...])
                    switch frame {
                    case .text(let text): found.append(String(decoding: text, as: UTF8.self))
                    case .refused(let reason): found.append("!" + reason)
                    case nil: XCTAssertTrue(bytes.isEmpty)
                    }
                }
            }
        }
        return found
    }

    func testValuesAreCutOut() {
        let streams: [(String, [String])] = [
            ("{}[]", ["{}", "[]"]), (" {\"a\":\n[1]}\r\n'x' ", ["{\"a\":\n[1]}", "'x'"]),
            ("true{'a':1}", ["true", "{'a':1}"]), ("1 -2.5e3,", ["1", "-2.5e3", ","]),
            ("{\"}\": '\\'}'}", ["{\"}\": '\\'}'}"]), ("}]:", ["}", "]", ":"]),
            ("\"\\\\\"{}", ["\"\\\\\"", "{}"]), ("{]{}", ["{]", "{}"]),
        ]
        for (stream, expected) in streams {
            XCTAssertEqual(frames(stream.utf8), expected, stream)
            for step in 1...3 { XCTAssertEqual(frames(stream.utf8, step: step), expected, stream) }
        }
    }

    /// After what no JSON text has, the rest of the line is dropped; the next is another matter.
    func testWhatIsNoTokenIsDroppedUpToTheNextResetByte() {
        let between = "!invalid byte between tokens"
        let inside = "!invalid byte in a string"
        let word = "!invalid number or literal name"
        let streams: [([UInt8], [String])] = [
            (Array("@ {}\n{}".utf8), [between, "{}"]),
            (Array("{\"a\": @\n{}".utf8), [between, "{}"]),
            (Array("{\"a\nb\"}\n[]".utf8), [inside, "b", inside, "[]"]),
            (Array("01 {}\n1 ".utf8), [word, "1"]), ([0, 0x7b, 0x7d], [between, "{}"]),
            (Array("{'x".utf8) + [0xff] + Array("{}".utf8), [inside, "{}"]),
            (Array("[1.]".utf8) + [0xfe] + Array("{}".utf8), [word, "{}"]),
        ]
        for (stream, expected) in streams {
            let text = String(decoding: stream, as: UTF8.self)
            XCTAssertEqual(frames(stream), expected, text)
            for step in 1...3 { XCTAssertEqual(frames(stream, step: step), expected, text) }
        }
    }

    func testDepthIsLimited() {
        let limit = JSONFramer.depthLimit
        let deepest = String(repeating: "[", count: limit) + String(repeating: "]", count: limit)
        XCTAssertEqual(frames(deepest.utf8), [deepest])
        XCTAssertEqual(
            frames("[\(deepest)]\n{}".utf8), ["!a message is nested more than 32 deep", "{}"])
        // One error, and not one for each bracket.
        let brackets = String(repeating: "[{", count: 1 << 20)
        XCTAssertEqual(frames((brackets + "\n1 ").utf8).count, 2)
    }

    func testLengthIsLimited() {
        let limit = JSONFramer.lengthLimit
        let longest = "\"" + String(repeating: "x", count: limit - 2) + "\""
        XCTAssertEqual(frames(longest.utf8).map(\.utf8.count), [limit])
        let tooLong = "!a message is longer than 1048576 bytes"
        for start in ["\"", "{\"", "1", "[ "] {
            let blank = start == "[ " ? " " : "1"
            let stream = start + String(repeating: blank, count: 3 * limit) + "\"}\n{}"
            XCTAssertEqual(frames(stream.utf8), [tooLong, "{}"], start)
            XCTAssertEqual(frames(stream.utf8, step: 65_536), [tooLong, "{}"], start)
        }
        // Between values, blanks are no message.
        XCTAssertEqual(frames((String(repeating: " ", count: 2 * limit) + "{}").utf8), ["{}"])
    }
}
