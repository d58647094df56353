import BlockIO
import BlockIOTesting
import VhostUserServer
import XCTest

@testable import TestSupport

/// Tests of a server with an image of 1 MiB in a tmpfs.
class FrontEndTestCase: XCTestCase {
    static let size = 1 << 20

    private var target: StorageTarget!
    private(set) var file: PlainFile!
    /// The image, opened when it is used first; a program that opens it needs the lock.
    lazy var image: BlockImage! = try? open()
    let faults = FaultInjector()

    override func setUpWithError() throws {
        target = try StorageTarget.make(.tmpfsFile, size: Self.size)
        file = try PlainFile(target.path, direct: false)
        let buffer = AlignedBuffer(count: Self.size)
        for index in 0..<Self.size { buffer.bytes[index] = Self.content(index) }
        try file.write(buffer.bytes, at: 0)
    }

    override func tearDown() {
        image = nil
        file = nil
        target?.close()
        target = nil
    }

    /// The path of the image.
    var path: String { target.path }
    var pathForChildren: String { target.pathForChildren }

    /// Opens the image without a lock, as tests do it more than once.
    func open(
        _ access: OpenOptions.Access = .readWrite, queueLimit: Int = 1
    ) throws -> BlockImage {
        try BlockImage.open(
            target.path,
            OpenOptions(
                access: access, caching: .buffered, lock: .off, queueLimit: queueLimit))
    }

    /// A front end of a new server, whose requests of the host can be held and made to fail.
    func frontEnd(_ options: VhostUserOptions = VhostUserOptions()) throws -> FrontEnd {
        try FrontEnd(image, options, queue: QueueOptions().checked(with: faults))
    }

    /// The byte of the image at `offset`, at first.
    static func content(_ offset: Int) -> UInt8 {
        UInt8(truncatingIfNeeded: offset ^ offset >> 9 &* 7)
    }

    static func content(at offset: Int, _ count: Int) -> [UInt8] {
        (offset..<offset + count).map { content($0) }
    }

    /// Bytes that differ from the image's.
    static func pattern(_ count: Int, seed: Int = 1) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 13 &+ $0 >> 8 &+ seed) }
    }

    /// The bytes of the file from `offset` on.
    func stored(at offset: Int, _ count: Int) throws -> [UInt8] {
        let buffer = try file.contents(at: offset, count)
        // The bytes go with the buffer.
        return withExtendedLifetime(buffer) { [UInt8](buffer.bytes) }
    }

    /// Holds operations until the returned function is called.
    func hold(
        _ operations: Set<BlockIO.BlockOperation>, in range: Range<UInt64> = 0..<UInt64.max
    ) -> () -> Void {
        let faults = faults
        let rule = faults.add(.init(.hold, operations: operations, range: range))
        return {
            faults.remove(rule)
            faults.release(rule)
        }
    }

    /// Waits until `count` operations are held.
    func waitForHeld(_ count: Int) throws {
        try eventually("\(count) operations are held") { faults.heldCount == count }
    }
}
