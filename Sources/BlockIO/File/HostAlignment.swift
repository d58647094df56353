import CBlockIO
import Glibc

/// What the kernel demands of a direct request (statx(2), STATX_DIOALIGN): every buffer address a
/// multiple of `memory`, every element's length and position in the image a multiple of `offset`.
/// Bytes, powers of two; 1 means that there is no demand.
public struct HostAlignment: Sendable, Hashable {
    /// What addresses are a multiple of, in bytes.
    public let memory: Int
    /// What offsets and lengths are a multiple of, in bytes.
    public let offset: Int

    /// No demand, as for buffered images.
    public static let none = HostAlignment(memory: 1, offset: 1)

    /// An alignment of addresses and one of offsets and lengths, in bytes; both are powers of two.
    public init(memory: Int, offset: Int) {
        self.memory = memory
        self.offset = offset
    }
}

extension HostAlignment {
    var isValid: Bool {
        [memory, offset].allSatisfy { (1...(1 << 20)).contains($0) && $0 & ($0 - 1) == 0 }
    }

    /// Both numbers in one, so that they can be stored together: `memory` in the lower half.
    var packed: UInt64 { UInt64(memory) | UInt64(offset) << 32 }

    init(packed: UInt64) {
        self.init(memory: Int(UInt32(truncatingIfNeeded: packed)), offset: Int(packed >> 32))
    }

    /// Asks the kernel about an open direct descriptor; `nil` when it says that this file cannot
    /// do direct I/O.
    ///
    /// Kernels before 6.1 do not know STATX_DIOALIGN: then the device's logical block size for
    /// a block device, 1 on tmpfs, whose direct I/O goes through memory, and 4096, which every
    /// file system accepts, elsewhere.
    static func probe(descriptor: CInt, isBlockDevice: Bool) -> HostAlignment? {
        var answer = cbio_dio_alignment()
        if unsafe cbio_dio_alignment(descriptor, &answer) == 0, answer.known {
            guard answer.memory > 0, answer.offset > 0 else { return nil }
            return HostAlignment(
                memory: Int(max(answer.memory, leastMemoryAlignment(offset: answer.offset))),
                offset: Int(answer.offset))
        }
        if isBlockDevice {
            var size: UInt32 = 0
            guard unsafe cbio_device_logical_block_size(descriptor, &size) == 0, size > 0 else {
                return HostAlignment(memory: 4096, offset: 4096)
            }
            return HostAlignment(memory: Int(size), offset: Int(size))
        }
        if cbio_filesystem_type(descriptor) == FileSystemType.tmpfs { return HostAlignment.none }
        return HostAlignment(memory: 4096, offset: 4096)
    }

    /// zram (Linux 6.18) claims a memory alignment of 512, but moves a page for each part of a page
    /// that an element covers: wrong data, and memory around the element overwritten. What has
    /// sectors of a page, itself or stacked on it, therefore gets whole pages.
    private static func leastMemoryAlignment(offset: UInt32) -> UInt32 {
        let page = UInt32(getpagesize())
        return offset >= page ? page : 1
    }
}
