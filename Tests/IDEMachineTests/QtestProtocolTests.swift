import XCTest

@testable import TestSupport

/// The qtest face as a protocol: verbs, their answers, and what is none of them.
final class QtestProtocolTests: XCTestCase {
    func testNumbersAreWrittenAsQEMUWritesThem() throws {
        let bench = try Bench()
        XCTAssertEqual(try bench.qtest.command("inb 0x100"), "0x00ff")
        XCTAssertEqual(try bench.qtest.command("inl 256"), "0xffffffff")
        try bench.qtest.command("writeq 0x1000 0x1122334455667788")
        XCTAssertEqual(try bench.qtest.command("readb 0x1000"), "0x0000000000000088")
        XCTAssertEqual(try bench.qtest.command("readw 010001"), "0x0000000000006677")
        XCTAssertEqual(try bench.qtest.command("readl 4098"), "0x0000000033445566")
        XCTAssertEqual(try bench.qtest.command("readq 0x1000"), "0x1122334455667788")
        XCTAssertEqual(try bench.qtest.command("endianness"), "little")
        try bench.end()
    }

    func testStoresTouchTheirBytesOnly() throws {
        let bench = try Bench()
        try bench.qtest.fill(0x2000, 24, 0xee)
        try bench.qtest.store(0x2001, UInt8(0x01))
        try bench.qtest.store(0x2005, UInt16(0x0302))
        try bench.qtest.store(0x2009, UInt32(0x0706_0504))
        try bench.qtest.store(0x200f, UInt64(0x0f0e_0d0c_0b0a_0908))
        let expected: [UInt8] = [
            0xee, 1, 0xee, 0xee, 0xee, 2, 3, 0xee, 0xee, 4, 5, 6, 7, 0xee, 0xee, 8, 9, 10, 11, 12,
            13, 14, 15, 0xee,
        ]
        XCTAssertEqual(try bench.qtest.read(0x2000, 24), expected)
        // Wider numbers than the verb's are cut off, as QEMU does.
        try bench.qtest.command("writeb 0x2000 0x1234")
        XCTAssertEqual(try bench.qtest.read(0x2000, 2), [0x34, 1])
        try bench.end()
    }

    func testDataInHexadecimalAndBase64() throws {
        let bench = try Bench()
        try bench.qtest.command("write 0x3000 4 0x00fFAb7e")
        XCTAssertEqual(try bench.qtest.command("read 0x3000 0x4"), "0x00ffab7e")
        XCTAssertEqual(try bench.qtest.command("b64read 0x3000 4"), "AP+rfg==")
        try bench.qtest.command("b64write 0x3010 5 aGVsbG8=")
        XCTAssertEqual(try bench.qtest.read(0x3010, 6), Array("hello".utf8) + [0])
        // Too little data in hexadecimal is followed by zeroes, too much is ignored.
        try bench.qtest.fill(0x3020, 4, 0xee)
        try bench.qtest.command("write 0x3020 3 0x01")
        XCTAssertEqual(try bench.qtest.read(0x3020, 4), [1, 0, 0, 0xee])
        try bench.qtest.command("write 0x3020 1 0x0203")
        XCTAssertEqual(try bench.qtest.read(0x3020, 2), [2, 0])
        try bench.qtest.command("b64write 0x3020 2 aGVsbG8=")
        XCTAssertEqual(try bench.qtest.read(0x3020, 3), Array("he".utf8) + [0])
        XCTAssertEqual(try bench.qtest.command("read 0x3000 0"), "0x")
        try bench.qtest.send("b64read 0x3000 0")
        XCTAssertEqual(try bench.qtest.answer(), "OK", "nothing, and no blank before it")
        try bench.qtest.command("memset 0x3000 0 0xff")
        XCTAssertEqual(try bench.qtest.read(0x3000, 1), [0])
        try bench.end()
    }

    func testTheClockIsAccepted() throws {
        let bench = try Bench()
        XCTAssertEqual(try bench.qtest.command("clock_step"), "0")
        XCTAssertEqual(try bench.qtest.command("clock_step 400"), "400")
        XCTAssertEqual(try bench.qtest.command("clock_set 1000000000000"), "1000000000000")
        XCTAssertEqual(try bench.qtest.command("clock_step 1"), "1000000000001")
        try bench.end()
    }

    func testGarbageIsAnsweredAndChangesNothing() throws {
        let bench = try Bench()
        let garbage = [
            "", " ", "nonsense", "inb", "inb 0x1f0 1", "inb zero", "inb -1", "inb +1", "inb 0x",
            "inb 0x10000", "inb 99999999999999999999", "outb 0x1f0", "outl 0x1f0 1 2", "INB 0x1f0",
            "read", "read 0", "read 0 -1", "read 0 0xffffffff", "write 0 4", "write 0 4 1234",
            "write 0 2 0x12xy", "b64write 0 4 !!!!", "b64read 0", "memset 0 1", "readb",
            "readq 08", "irq_intercept_in", "irq_intercept_in nobody", "irq_intercept_out nobody",
            "clock_step soon", "clock_set", "endianness now", "\u{0}\u{1}\u{7f}", "é",
            "OK", "{\"execute\": \"quit\"}", String(repeating: "a ", count: 5000),
        ]
        for line in garbage {
            try bench.qtest.send(line)
            let answer = try bench.qtest.answer()
            XCTAssertTrue(answer.hasPrefix("FAIL "), "\(line.prefix(40)): \(answer)")
            XCTAssertLessThan(answer.utf8.count, 300)
        }
        XCTAssertEqual(try bench.qtest.read(0, 64), [UInt8](repeating: 0, count: 64))
        XCTAssertEqual(
            try bench.qtest.command("inb 0x1f0\r"), "0x00ff", "a line that ends in CR LF")
        try bench.end()
    }

    func testBytesThatAreNoTextAreGarbageToo() throws {
        let bench = try Bench()
        try bench.qtest.socket.send([0xff, 0xfe, 0x80, 0x0a])
        XCTAssertTrue(try bench.qtest.answer().hasPrefix("FAIL "))
        try bench.end()
    }

    func testALineMayComeInParts() throws {
        let bench = try Bench()
        for part in ["wri", "teb 0x40", "00 ", "0x5", "a\nre", "adb 0x4000", "\n"] {
            XCTAssertFalse(bench.qtest.socket.isReadable(within: 0) && part == "a\nre")
            try bench.qtest.socket.send(part.utf8)
            usleep(2_000)
        }
        try bench.qtest.success(of: "writeb")
        XCTAssertEqual(try bench.qtest.success(of: "readb"), "0x000000000000005a")
        try bench.end()
    }

    func testLinesOfMegabytes() throws {
        let bench = try Bench(["--memory", "64"])
        let size = 1 << 20
        // 16 different digits, shifted by one from line to line.
        let line = "0123456789abcdeffedcba987654321"
        let digits = String(repeating: line, count: 2 * size / line.count + 1).prefix(2 * size)
        try bench.qtest.command("write 0x100000 \(size) 0x\(digits)")
        let answer = try bench.qtest.command("read 0x100000 \(size)")
        XCTAssertTrue(answer == "0x\(digits)")
        // And as it arrived, one byte looked at.
        let place = 2 * 777_777
        let pair = digits.utf8.dropFirst(place).prefix(2)
        let byte = UInt8(String(decoding: Array(pair), as: UTF8.self), radix: 16)
        XCTAssertEqual(try bench.qtest.load(0x10_0000 + 777_777, as: UInt8.self), byte)
        // As much as 65536 sectors, and no more. Data that is not given is zeroes.
        try bench.qtest.command("write 0x100000 0x2000000 0x11")
        XCTAssertEqual(try bench.qtest.read(0x10_0000, 2), [0x11, 0])
        try bench.qtest.send("write 0x100000 0x2000001 0x11")
        XCTAssertTrue(try bench.qtest.answer().hasPrefix("FAIL "))
        try bench.end()
    }

    func testALineWithoutAnEndIsRefusedAtLast() throws {
        let bench = try Bench()
        let chunk = [UInt8](repeating: UInt8(ascii: "1"), count: 1 << 20)
        do {
            for _ in 0..<72 { try bench.qtest.socket.send(chunk) }
        } catch {
            // It hung up while we were still talking.
        }
        let (status, errors) = try bench.machine.end()
        XCTAssertEqual(status, 1)
        XCTAssertTrue(errors.contains("a line of more than"), errors)
    }

    func testPipelinedCommandsAreAnsweredInOrder() throws {
        let bench = try Bench()
        let count = 5000
        var commands = ""
        for index in 0..<count {
            commands += "writew 0x\(hex(index * 2)) \(index)\nreadw 0x\(hex(index * 2))\n"
        }
        try bench.qtest.socket.send(commands.utf8)
        for index in 0..<count {
            try bench.qtest.success(of: "writew")
            let value = try bench.qtest.success(of: "readw")
            XCTAssertEqual(UInt64(value.dropFirst(2), radix: 16), UInt64(index))
        }
        try bench.end()
    }

    /// More answers than the socket and the machine keep for a peer that does not read.
    func testAPeerThatIsSlowToReadLosesNothing() throws {
        let bench = try Bench(["--memory", "64"])
        try bench.qtest.fill(0, 1 << 18, 0x5a)
        let count = 16
        for _ in 0..<count { try bench.qtest.send("read 0 0x40000") }
        try bench.qtest.send("endianness")
        // Other peers are served meanwhile.
        XCTAssertNotNil(try bench.qmp.run("query-status"))
        for _ in 0..<count {
            XCTAssertEqual(try bench.qtest.success(of: "read").utf8.count, 2 + (2 << 18))
        }
        XCTAssertEqual(try bench.qtest.success(of: "endianness"), "little")
        try bench.end()
    }

    func testEverythingSaidBeforeTheEndIsCarriedOut() throws {
        let bench = try Bench(["--memory", "64"])
        for _ in 0..<8 { try bench.qtest.send("read 0 0x80000") }
        try bench.qtest.send("endianness")
        try bench.qtest.socket.send("half a li".utf8)
        bench.qtest.socket.shutDownOutput()
        for _ in 0..<8 { try bench.qtest.success(of: "read") }
        XCTAssertEqual(try bench.qtest.success(of: "endianness"), "little")
        XCTAssertTrue(try bench.qtest.socket.isClosedByPeer())
        XCTAssertEqual(try bench.machine.end().status, 0)
    }
}
