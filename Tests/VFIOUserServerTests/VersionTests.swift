import XCTest

@testable import TestSupport
@testable import VFIOUserServer

/// VFIO_USER_VERSION.
final class VersionTests: ServerTestCase {
    /// What QEMU 11.1 says.
    private static let qemu =
        #"{"capabilities":{"pgsizes":4096,"max_msg_fds":16,"max_dma_maps":65535,"#
        + #""max_data_xfer_size":1048576,"migration":{"pgsize":4096,"max_bitmap_size":33554432},"#
        + #""write_multiple":true}}"#

    func testTheReplyHasVersionAndCapabilities() throws {
        let reply = try peer.request(VFIORequest.version(Self.qemu))
        XCTAssertEqual(reply.failure, 0)
        XCTAssertEqual(Array(reply.body[..<4]), [0, 0, 0, 0])
        XCTAssertEqual(reply.body.last, 0)
        let text = String(decoding: reply.body[4...].dropLast(), as: UTF8.self)
        let data = try XCTUnwrap(
            VersionData(Array(text.utf8))?.capabilities)
        XCTAssertEqual(
            data,
            [
                "max_msg_fds": 8, "max_data_xfer_size": 1 << 20, "pgsizes": 4096,
                "max_dma_maps": 1024,
            ])
    }

    func testALargerMinorVersionIsAnsweredWithOurs() throws {
        let reply = try peer.request(VFIORequest.version(nil, minor: 7))
        XCTAssertEqual(reply.failure, 0)
        XCTAssertEqual(Array(reply.body[..<4]), [0, 0, 0, 0])
    }

    func testNothingElseComesFirst() throws {
        try assertFails(VFIORequest.info)
        try assertFails(VFIORequest.read(VFIORegion.bar0, 0, 1))
        try negotiate()
        try assertWorks(VFIORequest.info)
        try assertFails(VFIORequest.version())
        try assertWorks(VFIORequest.info)
    }

    func testAnotherMajorVersionEndsTheConnection() throws {
        try assertFails(VFIORequest.version(nil, major: 1))
        XCTAssertTrue(try peer.isHungUp())
    }

    func testTextsThatAreNoObjectAreRefused() throws {
        let deep = String(repeating: #"{"a":"#, count: 40) + "1" + String(repeating: "}", count: 40)
        for text in [
            "", "{", "[]", "1", "{}x", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{\"a\":tru}", "{a:1}",
            "{\"a\":\"\\", "{\"a\":\"\n\"}", "{\"a\":-}", "{\"a\":1.}", "{\"a\":1e}", deep,
            #"{"capabilities":[]}"#, #"{"capabilities":{"max_data_xfer_size":511}}"#,
            #"{"capabilities":{"max_data_xfer_size":-5}}"#,
        ] {
            try connect()
            XCTAssertEqual(try peer.request(VFIORequest.version(text)).failure, EINVAL, text)
            XCTAssertTrue(try peer.isHungUp(), text)
        }
        try connect()
        XCTAssertEqual(
            try peer.request(
                VFIOMessage(command: VFIOCommand.version, body: [0, 0, 0, 0] + Array("{}".utf8))
            )
            .failure,
            EINVAL)
        try connect()
        XCTAssertEqual(
            try peer.request(VFIOMessage(command: VFIOCommand.version, body: [0, 0])).failure,
            EINVAL)
    }

    func testTextsThatAreOddAreTaken() throws {
        for text in [
            "{}", " { } ", #"{"capabilities" : { } }"#, #"{"x":[1,-2.5e+3,"\"",null,{"y":[]}]}"#,
            #"{"capabilities":{"max_data_xfer_size":1e3,"max_msg_fds":"8"}}"#,
            #"{"capabilities":{"max_data_xfer_size":99999999999999999999}}"#,
        ] {
            try connect()
            XCTAssertEqual(try peer.request(VFIORequest.version(text)).failure, 0, text)
        }
    }

    /// No long name is kept: to hash 200,000 bytes of combining marks as Unicode takes seconds.
    func testLongNamesAreNotKept() {
        let marks = String(repeating: "\u{301}\u{323}", count: 100_000)
        let text = "{\"capabilities\":{\"a\(marks)\":1,\"max_msg_fds\":2}}"
        let data = VersionData(Array(text.utf8))
        XCTAssertEqual(data?.capabilities["max_msg_fds"], 2)
        XCTAssertTrue(data?.capabilities.keys.allSatisfy { $0.utf8.count <= 64 } ?? false)
    }
}
