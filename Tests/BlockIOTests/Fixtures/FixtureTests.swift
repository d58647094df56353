import CTestSupport
import Dispatch
import Glibc
import XCTest
@testable import TestSupport

/// The fixtures are what they say they are, and gone when they are closed.
final class FixtureTests: XCTestCase {
    private let size = 8 << 20

    func testStorageTargetsSupportDirectIO() throws {
        for kind in StorageTarget.Kind.allCases {
            let target = try orSkip(StorageTarget.make(kind, size: size))
            defer { target.close() }
            let file = try open(target.path, O_RDWR | CTS_O_DIRECT)
            defer { file.close() }
            let unit = target.sectorSize
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: unit, alignment: 4096)
            defer { buffer.deallocate() }

            XCTAssertEqual(pread(file.raw, buffer.baseAddress, unit, size - unit), unit, "\(kind)")
            XCTAssertTrue(buffer.allSatisfy { $0 == 0 }, "\(kind)")
            buffer.initializeMemory(as: UInt8.self, repeating: 0xA5)
            XCTAssertEqual(pwrite(file.raw, buffer.baseAddress, unit, size - unit), unit, "\(kind)")
            buffer.initializeMemory(as: UInt8.self, repeating: 0)
            XCTAssertEqual(pread(file.raw, buffer.baseAddress, unit, size - unit), unit, "\(kind)")
            XCTAssertTrue(buffer.allSatisfy { $0 == 0xA5 }, "\(kind)")
        }
    }

    func testMisalignedDirectReadsFail() throws {
        for kind in StorageTarget.Kind.allCases where kind != .tmpfsFile {
            let target = try orSkip(StorageTarget.make(kind, size: size))
            defer { target.close() }
            let file = try open(target.path, O_RDONLY | CTS_O_DIRECT)
            defer { file.close() }
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 4096)
            defer { buffer.deallocate() }
            let half = target.sectorSize / 2
            XCTAssertEqual(pread(file.raw, buffer.baseAddress, half, 0), -1, "\(kind)")
            XCTAssertEqual(pread(file.raw, buffer.baseAddress, 2 * half, half), -1, "\(kind)")
        }
    }

    func testFilesMayHaveAnySize() throws {
        for kind in [StorageTarget.Kind.tmpfsFile, .ext4File] {
            for odd in [0, 1, 5000, (1 << 20) + 1] {
                let target = try orSkip(StorageTarget.make(kind, size: odd))
                defer { target.close() }
                let file = try open(target.path, O_RDONLY)
                defer { file.close() }
                XCTAssertEqual(try status(of: file).st_size, odd, "\(kind)")
            }
        }
    }

    func testDevicesHaveTheirSectorSizes() throws {
        let expected: [(StorageTarget.Kind, Int32)] = [
            (.loop512, 512), (.loop4096, 4096), (.zram, 4096),
        ]
        for (kind, sectorSize) in expected {
            let target = try orSkip(StorageTarget.make(kind, size: size))
            defer { target.close() }
            let device = try open(target.path, O_RDONLY)
            defer { device.close() }
            XCTAssertEqual(cts_logical_sector_size(device.raw), sectorSize, "\(kind)")
            XCTAssertEqual(Int32(target.sectorSize), sectorSize, "\(kind)")
            var bytes: UInt64 = 0
            XCTAssertEqual(cts_device_size(device.raw, &bytes), 0)
            XCTAssertEqual(bytes, UInt64(size), "\(kind)")
        }
    }

    func testFilesAreAllocatedOnTheirFileSystems() throws {
        let expected: [(StorageTarget.Kind, UInt64)] = [
            (.tmpfsFile, CTS_TMPFS_MAGIC), (.ext4File, CTS_EXT4_MAGIC),
        ]
        for (kind, magic) in expected {
            let target = try orSkip(StorageTarget.make(kind, size: size))
            defer { target.close() }
            let file = try open(target.path, O_RDWR)
            defer { file.close() }
            var type: UInt64 = 0
            XCTAssertEqual(cts_filesystem_type(file.raw, &type), 0)
            XCTAssertEqual(type, magic, "\(kind)")
            let status = try status(of: file)
            XCTAssertEqual(status.st_size, size, "\(kind)")
            XCTAssertGreaterThanOrEqual(status.st_blocks * 512, size, "\(kind)")
        }
    }

    func testLargeFileHasAnExt4OfItsOwn() throws {
        let large = 96 << 20
        let target = try orSkip(StorageTarget.make(.ext4File, size: large))
        defer { target.close() }
        let shared = try orSkip(StorageTarget.make(.ext4File, size: size))
        defer { shared.close() }
        let (file, other) = (try open(target.path, O_RDONLY), try open(shared.path, O_RDONLY))
        defer { [file, other].forEach { $0.close() } }
        XCTAssertGreaterThanOrEqual(try status(of: file).st_blocks * 512, large)
        XCTAssertNotEqual(try status(of: file).st_dev, try status(of: other).st_dev)
    }

    func testFileIsGoneAfterClose() throws {
        let target = try orSkip(StorageTarget.make(.ext4File, size: size))
        XCTAssertEqual(access(target.path, F_OK), 0)
        XCTAssertEqual(access(target.pathForChildren, F_OK), 0)
        target.close()
        target.close()
        XCTAssertEqual(access(target.path, F_OK), -1)
    }

    func testChildReachesDetachedMount() throws {
        let mount = try orSkip(DetachedMount.tmpfs(size: 1 << 20))
        defer { mount.close() }
        let touch = try ChildProcess.find("touch", package: "coreutils")
        try ChildProcess.run(touch, [mount.pathForChildren("by-child")])
        XCTAssertEqual(access(mount.path("by-child"), F_OK), 0)
    }

    func testTmpfsIsFullAtItsSize() throws {
        let mount = try orSkip(DetachedMount.tmpfs(size: 1 << 20))
        defer { mount.close() }
        let file = try open(mount.path("big"), O_RDWR | O_CREAT)
        defer { file.close() }
        XCTAssertEqual(cts_allocate(file.raw, 1 << 20), 0)
        XCTAssertEqual(cts_allocate(file.raw, 2 << 20), -ENOSPC)
    }

    func testExt4IsOnItsLoopDeviceUntilClosed() throws {
        let mount = try orSkip(DetachedMount.ext4(size: 64 << 20, sectorSize: 4096))
        let loop = try XCTUnwrap(mount.loop)
        XCTAssertTrue(loop.isAttached)
        XCTAssertEqual(SysBlock.attribute("loop/dio", of: loop.name), "1")
        mount.close()
        try eventually("\(loop.path) is detached") { !loop.isAttached }
    }

    func testLoopIsDetachedAfterClose() throws {
        let loop = try orSkip(LoopDevice(size: size))
        XCTAssertTrue(loop.isAttached)
        XCTAssertEqual(SysBlock.attribute("loop/autoclear", of: loop.name), "1")
        loop.close()
        loop.close()
        try eventually("\(loop.path) is detached") { !loop.isAttached }
    }

    func testLoopStaysWhileSomeoneHasItOpen() throws {
        let loop = try orSkip(LoopDevice(size: size))
        let user = try open(loop.path, O_RDONLY)
        loop.close()
        XCTAssertTrue(loop.isAttached)
        user.close()
        try eventually("\(loop.path) is detached") { !loop.isAttached }
    }

    func testLoopOverAGivenFile() throws {
        let directory = try TemporaryDirectory(in: orSkip(ScratchSpace.directoryWithDirectIO()))
        defer { directory.close() }
        let path = directory.path("disk")
        let file = try open(path, O_RDWR | O_CREAT)
        XCTAssertEqual(cts_allocate(file.raw, UInt64(size)), 0)
        file.close()

        let loop = try orSkip(LoopDevice(backingFile: path, sectorSize: 4096, readOnly: true))
        defer { loop.close() }
        XCTAssertEqual(try loop.size, size)
        XCTAssertEqual(SysBlock.attribute("ro", of: loop.name), "1")
        XCTAssertEqual(SysBlock.attribute("loop/backing_file", of: loop.name), path)
        // The kernel opens a read-only device for writing, and then does not let it be written.
        let device = try open(loop.path, O_RDWR)
        defer { device.close() }
        XCTAssertEqual(SystemCall.result(Int32(pwrite(device.raw, path, 1, 0))), -EPERM)
    }

    func testLoopIsResized() throws {
        let loop = try orSkip(LoopDevice(size: size, sparse: true, directIO: false))
        defer { loop.close() }
        XCTAssertEqual(SysBlock.attribute("loop/dio", of: loop.name), "0")
        try loop.resize(to: 2 * size)
        XCTAssertEqual(try loop.size, 2 * size)
        try loop.resize(to: size / 2)
        XCTAssertEqual(try loop.size, size / 2)
    }

    func testZramIsRemovedAfterClose() throws {
        let zram = try orSkip(ZramDevice(size: size))
        XCTAssertTrue(zram.isAttached)
        XCTAssertEqual(zram.size, size)
        zram.close()
        zram.close()
        // At once, except that /dev/zram0, where no device can be added, may have a new user.
        try eventually("\(zram.path) is removed") { !zram.isAttached }
    }

    func testTemporaryDirectoryIsRemovedAfterClose() throws {
        let directory = try TemporaryDirectory()
        try open(directory.path("file"), O_RDWR | O_CREAT).close()
        XCTAssertEqual(mkdir(directory.path("sub"), 0o700), 0)
        directory.close()
        directory.close()
        XCTAssertEqual(access(directory.path, F_OK), -1)
    }

    func testAbsentThingsAreNamed() {
        XCTAssertThrowsError(try ChildProcess.find("no-such-program", package: "none")) { error in
            XCTAssertEqual(
                "\(error)", "missing: the program no-such-program (package none)")
        }
        XCTAssertThrowsError(try TemporaryDirectory(in: "/proc/none"))
        XCTAssertThrowsError(try ChildProcess.run("/bin/sh", ["-c", "echo why >&2; exit 3"])) {
            XCTAssertEqual("\($0)", "failed: /bin/sh -c echo why >&2; exit 3: status 3: why\n")
        }
    }

    func testTargetsAreMadeConcurrently() throws {
        let outcomes = Outcomes()
        let size = size
        DispatchQueue.concurrentPerform(iterations: 20) { index in
            let kinds = StorageTarget.Kind.allCases
            outcomes.record {
                let target = try StorageTarget.make(kinds[index % kinds.count], size: size)
                target.close()
            }
        }
        for error in outcomes.errors { _ = try orSkip({ throw error }()) }
    }

    private func open(_ path: String, _ flags: Int32) throws -> Descriptor {
        Descriptor(try SystemCall.check(Descriptor.open(path, flags), "open \(path)"))
    }

    private func status(of file: Descriptor) throws -> stat {
        var status = stat()
        try SystemCall.check(SystemCall.result(fstat(file.raw, &status)), "fstat")
        return status
    }
}
