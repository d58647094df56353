import BlockIO
import Glibc
@testable import TestSupport

/// The image and the queue that a check examines.
final class Subject {
    /// The cell of the matrix.
    let configuration: Configuration
    /// The storage, whose content is whatever earlier checks left.
    let target: StorageTarget
    /// The image, open for reading and writing.
    let image: BlockImage
    /// What requests of the queue use, until they have all ended.
    private var kept: [AnyObject] = []
    private var heldQueue: BlockQueue?
    /// Begins with the seed of the run.
    var random = SplitMix64(seed: Seed.value)

    /// Opens image and queue.
    init(
        _ configuration: Configuration, _ target: StorageTarget, _ options: QueueOptions
    ) throws {
        self.configuration = configuration
        self.target = target
        image = try configuration.open(target)
        heldQueue = try configuration.queue(on: image, options)
    }

    deinit {
        // Waits for what is in flight.
        heldQueue = nil
        kept.removeAll()
    }

    /// The one queue on the image. It goes with the subject, if nothing else holds it.
    var queue: BlockQueue { heldQueue! }

    /// Closes the queue and opens another in its place.
    func openQueue(_ options: QueueOptions = QueueOptions()) throws -> BlockQueue {
        heldQueue?.close()
        heldQueue = nil
        let queue = try configuration.queue(on: image, options)
        heldQueue = queue
        return queue
    }

    /// Gives the queue away: it goes with the last who holds it.
    func takeQueue() -> BlockQueue {
        defer { heldQueue = nil }
        return queue
    }

    /// Memory for requests, which a test that fails must not take away from them.
    func buffer(_ count: Int) -> AlignedBuffer {
        keep(AlignedBuffer(count: count))
    }

    /// Keeps an object until the queue is gone.
    func keep<Object: AnyObject>(_ object: Object) -> Object {
        kept.append(object)
        return object
    }

    /// The unit of positions and total lengths: both the guest's sector and the host's alignment.
    var block: Int { max(image.logicalBlockSize, image.alignment.offset) }

    /// The size of the image in bytes.
    var size: Int { Int(image.size) }

    /// Lengths for a list: as short as the host allows, or, when it allows anything, any length.
    /// The sum is a multiple of ``block``.
    func lengths(pieces: Int) -> [Int] {
        let unit = image.alignment.offset
        guard unit < image.logicalBlockSize else {
            return [Int](repeating: unit, count: pieces)
        }
        var lengths = (0..<pieces).map { _ in random.number(1...700 / unit) * unit }
        let surplus = lengths.reduce(0, +) % block
        if surplus > 0 { lengths[random.number(0...pieces - 1)] += block - surplus }
        return lengths
    }

    /// A list with room for `pieces` of what ``lengths(pieces:)`` returns.
    func scatterList(pieces: Int) -> ScatterList {
        keep(
            ScatterList(
                pieces: pieces, bytes: pieces * max(700, image.alignment.offset) + block,
                memoryAlignment: image.alignment.memory))
    }

    /// Gives the image random content, not by way of the library, and returns the same bytes.
    func fillImage() throws -> AlignedBuffer {
        let content = AlignedBuffer(count: size)
        content.fill(using: &random)
        try plainFile().write(content.bytes, at: 0)
        return content
    }

    /// The storage as the kernel alone sees it, with the same caching.
    func plainFile() throws -> PlainImage {
        if configuration.layout == .striped { return try PlainImage(target.stripes()) }
        if configuration.layout == .volatileDisk { return PlainImage(target.volatileDisk) }
        return try PlainImage(target.path, direct: image.caching == .direct)
    }

    /// Changes the size of the storage underneath the image: 0, or -1 with errno.
    func cut(to size: Int) -> CInt {
        guard configuration.layout == .volatileDisk else { return truncate(target.path, size) }
        target.volatileDisk.truncate(to: size)
        return 0
    }
}
