package import BlockIO

/// A disc that is in a drive, or that was removed and still has a host request under way.
package final class CDMedium {
    package let image: BlockImage
    package let queue: BlockQueue
    package let disc: Disc
    private let descriptors: DescriptorGroup

    package init(
        _ image: BlockImage, _ options: QueueOptions, _ descriptors: DescriptorGroup
    ) throws(ATAError) {
        let layout = try SectorLayout(of: image)
        guard let disc = Disc(imageSize: image.size, layout: layout) else {
            throw .invalidOption("\(image.path) is smaller than a block of a disc, 2048 bytes")
        }
        self.image = image
        self.disc = disc
        self.descriptors = descriptors
        do throws(BlockError) {
            queue = try BlockQueue(image, options)
        } catch {
            throw .image(error)
        }
        try descriptors.add(queue.descriptor)
    }

    deinit { descriptors.remove(queue.descriptor) }
}
