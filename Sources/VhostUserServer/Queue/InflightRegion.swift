import Glibc
import GuestMemory

/// Shared memory in which the requests under way of each ring are recorded ("Inflight I/O tracking"), so
/// that another server can go on when this one has been killed. The front end keeps it meanwhile.
///
/// Each queue has a part, which begins at a multiple of 64 bytes: a header of 16 bytes, and 16 bytes for
/// each descriptor of the ring.
final class InflightRegion: Sendable {
    private static let headerSize = 16
    private static let entrySize = 16
    private static let alignment = 64
    /// "QueueRegionSplit", version.
    private static let version: UInt16 = 1

    let queueCount: Int
    /// How many descriptors each ring may have.
    let queueSize: Int
    private let memory: GuestRAM
    /// Where the region begins in the memory.
    private let offset: Int

    /// A region that the front end has kept, `offset` bytes into the file: a multiple of 64.
    init(
        descriptor: CInt, offset: UInt64, size: UInt64, queueCount: Int, queueSize: Int
    ) throws(Refusal) {
        let needed = Self.byteCount(queueCount: queueCount, queueSize: queueSize)
        let page = UInt64(GuestRAM.pageSize)
        let before = offset & (page - 1)
        // The server has given the region at 0; elsewhere its numbers have to be aligned as there.
        guard offset % UInt64(Self.alignment) == 0, size >= UInt64(needed),
            let start = Int(exactly: offset - before)
        else {
            throw Refusal(EINVAL)
        }
        let length = (Int(before) + needed + Int(page) - 1) & ~(Int(page) - 1)
        do throws(GuestMemoryError) {
            memory = try GuestRAM(descriptor: descriptor, offset: start, size: length)
        } catch {
            throw Refusal(error.errno == 0 ? EINVAL : error.errno)
        }
        self.offset = Int(before)
        self.queueCount = queueCount
        self.queueSize = queueSize
    }

    /// A new region without requests.
    init(queueCount: Int, queueSize: Int) throws(Refusal) {
        let needed = Self.byteCount(queueCount: queueCount, queueSize: queueSize)
        let page = GuestRAM.pageSize
        do throws(GuestMemoryError) {
            memory = try GuestRAM(size: (needed + page - 1) & ~(page - 1), sharing: .descriptor)
        } catch {
            throw Refusal(error.errno == 0 ? EINVAL : error.errno)
        }
        offset = 0
        self.queueCount = queueCount
        self.queueSize = queueSize
        for index in 0..<queueCount {
            // The memory exists as long as this object.
            let part = unsafe part(of: index)
            unsafe part.storeBytes(of: Self.version, toByteOffset: 8, as: UInt16.self)
            unsafe part.storeBytes(
                of: UInt16(truncatingIfNeeded: queueSize), toByteOffset: 10, as: UInt16.self)
        }
    }

    /// The file behind a new region, which stays this object's.
    var descriptor: CInt { memory.descriptor }

    /// The size of the region in bytes.
    var byteCount: Int { Self.byteCount(queueCount: queueCount, queueSize: queueSize) }

    private static func byteCount(queueCount: Int, queueSize: Int) -> Int {
        queueCount * partSize(queueSize)
    }

    private static func partSize(_ queueSize: Int) -> Int {
        (headerSize + queueSize * entrySize + alignment - 1) & ~(alignment - 1)
    }

    /// The part of a queue, which is valid as long as this object. Other processes may change it at any
    /// time.
    @unsafe func part(of index: Int) -> UnsafeMutableRawPointer {
        unsafe memory.base + (offset + index * Self.partSize(queueSize))
    }
}
