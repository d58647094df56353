import BlockHost
import CBlockIO
import Glibc

extension BlockImage {
    /// The sizes that the host prefers for the file that the image was opened with: the limits of
    /// sysfs for a block device, the block of the file system for a file, the alignment for a back
    /// end. The kernel is asked each time.
    public var limits: BlockLimits {
        let least = max(logicalBlockSize, alignment.offset)
        switch kind {
        case .file: return BlockLimits(block: max(fileSystemBlock ?? least, least))
        case .device: return deviceLimits(least: least)
        case .backEnd: return BlockLimits(block: least)
        }
    }

    /// `st_blksize` of fstat(2); `nil` unless it can be the size of a block. It is a size for
    /// requests on some network file systems, which is too large.
    private var fileSystemBlock: Int? {
        var status = stat()
        guard unsafe fstat(activeFile.descriptor, &status) == 0 else { return nil }
        let size = Int(status.st_blksize)
        return (512...65536).contains(size) && size & (size - 1) == 0 ? size : nil
    }

    /// What sysfs says of the queue of a device; for a partition, of the disk that it is on.
    private func deviceLimits(least: Int) -> BlockLimits {
        let number = activeFile.device
        let link = "/sys/dev/block/\(cbio_major(number)):\(cbio_minor(number))"
        func value(_ name: String) -> UInt64? {
            for queue in ["queue", "../queue"] {
                if let line = ProcFile.firstLine(of: "\(link)/\(queue)/\(name)") {
                    return UInt64(line)
                }
            }
            return nil
        }
        func size(_ name: String) -> Int { value(name).flatMap { Int(exactly: $0) } ?? 0 }
        let physical = size("physical_block_size")
        var limits = BlockLimits(
            block: physical > 0 && physical & (physical - 1) == 0 ? max(physical, least) : least)
        limits.minimumIOSize = max(limits.physicalBlockSize, size("minimum_io_size"))
        limits.optimalIOSize = size("optimal_io_size")
        limits.discardGranularity = size("discard_granularity")
        limits.discardMaximum = value("discard_max_bytes") ?? 0
        return limits
    }
}

extension BlockLimits {
    /// Storage whose only size is its block.
    fileprivate init(block: Int) {
        self.init(
            physicalBlockSize: block, minimumIOSize: block, optimalIOSize: 0,
            discardGranularity: block, discardMaximum: 0)
    }
}
