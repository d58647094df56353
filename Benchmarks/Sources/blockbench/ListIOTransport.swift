import BlockIO
import CBaselines
import Glibc

/// POSIX lio_listio(3), LIO_NOWAIT: a list has one control block a piece, and glibc serves them
/// one after the other on a thread, each with a pread(2) or pwrite(2) of its own.
final class ListIOTransport: Transport {
    private let lists: OpaquePointer
    private let buffers: SlotBuffers
    private let image: BlockImage
    private let length: Int64
    private let started: UnsafeMutablePointer<UInt64>

    /// Opens the target beside `image`, whose lock and claim stay in force meanwhile.
    init(image: BlockImage, buffers: SlotBuffers) throws(Failure) {
        let pieceLength = buffers.pieces(of: 0).first?.iov_len ?? 0
        guard pieceLength % image.alignment.offset == 0 else {
            throw Failure(
                "pieces of \(pieceLength) bytes offend the alignment of "
                    + "\(image.alignment.offset) that direct I/O demands here")
        }
        var created: OpaquePointer?
        let result = image.pathname.withCString {
            cbl_lists_create(
                &created, $0, image.access == .readWrite, image.caching == .direct,
                UInt32(buffers.depth), UInt32(buffers.vectors))
        }
        guard result == 0, let created else {
            throw Failure(
                result == -EMFILE
                    ? "each of the \(buffers.depth) lists needs a descriptor; raise RLIMIT_NOFILE"
                    : Failure.text(errno: -result))
        }
        lists = created
        self.buffers = buffers
        self.image = image
        length = buffers.pieces(of: 0).reduce(0) { $0 + Int64($1.iov_len) }
        started = .allocate(capacity: 1)
        started.initialize(to: 0)
    }

    deinit {
        cbl_lists_destroy(lists)
        started.deallocate()
    }

    func start(_ slot: Int, isWrite: Bool, at offset: UInt64) {
        started.pointee &+= UInt64(buffers.vectors)
        cbl_lists_start(lists, UInt32(slot), buffers.pieces(of: slot).baseAddress, offset, isWrite)
    }

    func poll(_ body: (_ slot: Int, _ failure: String?) -> Void) {
        var limit = pollLimit.components.attoseconds / 1_000_000_000
        // Bounded, since `body` starts requests that may have ended before the next look.
        for _ in 0..<buffers.depth {
            let slot = cbl_lists_wait(lists, limit)
            guard slot >= 0 else { return }
            body(Int(slot), complaint(about: UInt32(slot)))
            limit = 0
        }
    }

    func batched(_ body: () -> Void) { body() }

    var effort: Effort { Effort(kernelRequests: started.pointee) }

    private func complaint(about slot: UInt32) -> String? {
        let result = cbl_lists_result(lists, slot)
        if result == length { return nil }
        let reason =
            result < 0 ? Failure.text(errno: CInt(-result)) : "\(result) bytes of \(length)"
        return "lio_listio \(image.path): \(reason)"
    }
}
