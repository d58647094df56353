import Glibc
@testable import TestSupport

/// A test of two queues of an image, of which the first can be disturbed.
class QueuePairTestCase: ConformanceTestCase {
    /// Bytes of the image.
    static let size: UInt64 = 64 << 10

    /// Runs `check` on two queues of an image that may have a third one.
    func forEachPair(
        of isWanted: (StorageTarget.Kind) -> Bool = { _ in true },
        _ check: (QueuePair) throws -> Void
    ) throws {
        try forEachTarget(
            size: Int(Self.size),
            where: {
                $0.caching == .direct && [.tmpfsFile, .loop4096].contains($0.target)
                    && isWanted($0.target)
            }
        ) { configuration, target in
            if !target.kind.isBlockDevice {
                guard truncate(target.path, Int(Self.size)) == 0 else {
                    throw FixtureError.failed("truncate: errno \(errno)")
                }
            }
            try check(QueuePair(configuration, target))
        }
    }
}

extension StorageTarget.Kind {
    /// Its size can be changed.
    var isFile: Bool { !isBlockDevice }
}
