import Glibc
import GuestMemory

/// A piece of a transfer whose bytes are the user data of raw sectors, and so lie apart on the
/// image: one vectored request reads the user data of many sectors into the piece, and the bytes
/// between them into a scratch area.
///
/// `@safe`, because the memory of a piece stays until the drive has answered the piece, and because
/// a request covers no more than the piece.
@safe struct SpreadPiece {
    /// Elements of one request: IOV_MAX.
    static let capacity = 1024

    private var vectors: UnsafeBufferPointer<iovec>?
    private var layout = SectorLayout.mode1
    /// The place in the piece of what comes next.
    private var index = 0
    private var offset = 0
    /// Where in the user data of the command the piece begins, from the start of the disc.
    private var start: UInt64 = 0
    /// Bytes of the piece.
    private(set) var length: UInt64 = 0
    /// Bytes of earlier requests.
    private(set) var done: UInt64 = 0
    /// Bytes of the request under way.
    private var underWay: UInt64 = 0

    init() {}

    init(_ piece: DMAPiece, block: UInt32, _ layout: SectorLayout) {
        unsafe vectors = unsafe piece.vectors
        self.layout = layout
        start = UInt64(block) &* UInt64(Disc.blockSize) &+ piece.offset.rawValue
        length = piece.length
    }

    var isAtEnd: Bool { done == length }

    /// Where on the image the next request begins.
    var imageOffset: UInt64 {
        let (block, rest) = (start &+ done).quotientAndRemainder(dividingBy: UInt64(Disc.blockSize))
        return block &* UInt64(layout.stride) &+ UInt64(layout.userData) &+ rest
    }

    /// Lays the next request out over `elements`, which has room for ``capacity``, and says how many it
    /// has. `between` has room for what is between the user data of two sectors.
    mutating func layNext(
        _ elements: UnsafeMutablePointer<iovec>, between: UnsafeMutableRawPointer
    ) -> Int {
        guard let vectors = unsafe vectors else { return 0 }
        let gap = layout.stride &- Disc.blockSize
        var count = 0
        // Bytes up to the end of the user data of a sector.
        var left = Disc.blockSize &- Int((start &+ done) % UInt64(Disc.blockSize))
        while index < vectors.count, done &+ underWay < length, count &+ 2 <= Self.capacity {
            let vector = unsafe vectors[index]
            let step = unsafe min(vector.iov_len &- offset, left)
            if step > 0, let base = unsafe vector.iov_base {
                if left == Disc.blockSize && count > 0 {
                    unsafe elements[count] = unsafe iovec(iov_base: between, iov_len: gap)
                    count &+= 1
                }
                unsafe elements[count] = unsafe iovec(iov_base: base + offset, iov_len: step)
                count &+= 1
                underWay &+= UInt64(step)
                offset &+= step
                left = left == step ? Disc.blockSize : left &- step
            }
            if unsafe offset == vector.iov_len {
                index &+= 1
                offset = 0
            }
        }
        return count
    }

    /// The request under way has ended well.
    mutating func advance() {
        done &+= underWay
        underWay = 0
    }

    /// Bytes of the piece that are there when the request under way has read `count` bytes of the image.
    func reached(_ count: UInt64) -> UInt64 {
        let block = UInt64(Disc.blockSize)
        let first = block &- (start &+ done) % block
        guard count > first else { return done &+ min(count, underWay) }
        let (sectors, rest) = (count &- first).quotientAndRemainder(
            dividingBy: UInt64(layout.stride))
        let gap = UInt64(layout.stride) &- block
        let bytes = first &+ sectors &* block &+ (rest > gap ? rest &- gap : 0)
        return done &+ min(bytes, underWay)
    }
}
