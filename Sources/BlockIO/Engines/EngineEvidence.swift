import CBlockIO
import Glibc

/// How an image takes requests, as far as that can be known without writing to it. It knows no engine:
/// each says for itself what the evidence means for it (``LocalEngine/suitability``).
struct EngineEvidence {
    /// What the kernel does with a request.
    enum Path {
        /// It accepts the request and completes it later.
        case asynchronous
        /// It does the whole transfer, a copy of memory, before it returns from submitting.
        case inMemory
        /// There is no non-blocking path, and the transfer may take as long as a device takes.
        case blocking
    }

    let path: Path
    /// How that is known, as the beginning of a sentence.
    let reason: String
    /// The image is a file with parts that its file system has not allocated. Not looked for in an image
    /// that is too small for a probe, nor where transfers are copies or block anyhow.
    var hasHoles = false

    /// Whether the kernel answers a read with RWF_NOWAIT that it has no such path on the file.
    ///
    /// The read begins behind the end, where it moves nothing: so a device that hangs does not hang the queues
    /// that are opened on it. Memory does not hang, and before Linux 6.5 only a read that moves something tells
    /// that a device in memory has no such path.
    static func hasNoNonblockingPath(_ file: HostFile) -> Bool {
        let length = max(4096, file.alignment.offset)
        let buffer = AlignedMemory(byteCount: length, alignment: file.alignment.memory)
        let vector = unsafe buffer.vector(at: 0, length).vector
        let position = file.memoryBacking == nil ? behindEveryEnd : 0
        return unsafe cbio_read_nowait(file.descriptor, vector.iov_base, UInt64(length), position)
            == -Int64(EOPNOTSUPP)
    }

    /// A position that is aligned, and that no file or device has.
    private static let behindEveryEnd: UInt64 = 1 << 62

    /// Looks at the file system or device, and makes one read of a block with RWF_NOWAIT
    /// (preadv2(2)), which answers EOPNOTSUPP where the kernel has no non-blocking path.
    static func gather(_ file: HostFile) -> EngineEvidence {
        if let memory = file.memoryBacking {
            return EngineEvidence(path: .inMemory, reason: memory)
        }
        let length = max(4096, file.alignment.offset)
        guard file.size >= UInt64(length) else {
            return EngineEvidence(
                path: .asynchronous, reason: "the image is too small for a probe")
        }
        let buffer = AlignedMemory(byteCount: length, alignment: file.alignment.memory)
        var result: Int64 = 0
        for attempt in 0..<2 {
            var list = unsafe buffer.vector(at: 0, length).vector
            result = unsafe cbio_read_nowait(file.descriptor, list.iov_base, UInt64(length), 0)
            guard result == -Int64(EAGAIN), attempt == 0 else { break }
            // The data or the way to it was not in memory; after a plain read it is.
            _ = unsafe cbio_preadv(file.descriptor, &list, 1, 0)
        }
        if result == -Int64(EOPNOTSUPP) {
            return EngineEvidence(
                path: .blocking, reason: "a read with RWF_NOWAIT is answered EOPNOTSUPP")
        }
        return EngineEvidence(
            path: .asynchronous, reason: "a read with RWF_NOWAIT is not refused",
            hasHoles: file.kind == .file && file.allocatedBytes < file.size)
    }
}
