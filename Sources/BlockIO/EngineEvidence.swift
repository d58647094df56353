import CBlockIO
import Glibc

/// How an image takes requests, as far as that can be known without writing to it.
enum EngineEvidence {
    /// The kernel accepts a request and completes it later. `aioHazard` is the reason why io_submit(2)
    /// could still block, `nil` where there is none.
    case asynchronous(String, aioHazard: String?)
    /// The kernel does the whole transfer, a copy of memory, before it returns from submitting.
    case inMemory(String)
    /// There is no non-blocking path, and the transfer may take as long as a device takes.
    case blocking(String)

    /// Looks at the file system or device, and makes one read of a block with RWF_NOWAIT
    /// (preadv2(2)), which answers EOPNOTSUPP where the kernel has no non-blocking path.
    static func gather(_ file: HostFile) -> EngineEvidence {
        if let memory = file.memoryBacking { return .inMemory(memory) }
        let length = max(4096, file.alignment.offset)
        guard file.size >= UInt64(length) else {
            return .asynchronous("the image is too small for a probe", aioHazard: nil)
        }
        let buffer = AlignedMemory(byteCount: length, alignment: file.alignment.memory)
        var result: Int64 = 0
        for attempt in 0..<2 {
            result = cbio_read_nowait(file.descriptor, buffer.base, UInt64(length), 0)
            guard result == -Int64(EAGAIN), attempt == 0 else { break }
            // The data or the way to it was not in memory; after a plain read it is.
            var list = iovec(iov_base: buffer.base, iov_len: length)
            _ = cbio_preadv(file.descriptor, &list, 1, 0)
        }
        if result == -Int64(EOPNOTSUPP) {
            return .blocking("a read with RWF_NOWAIT is answered EOPNOTSUPP")
        }
        return .asynchronous(
            "a read with RWF_NOWAIT is not refused", aioHazard: aioHazard(file))
    }

    /// io_submit(2) waits where a file system has to allocate.
    private static func aioHazard(_ file: HostFile) -> String? {
        guard file.kind == .file, file.allocatedBytes < file.size else { return nil }
        return "the file has holes, and io_submit(2) blocks while the file system fills them"
    }
}
