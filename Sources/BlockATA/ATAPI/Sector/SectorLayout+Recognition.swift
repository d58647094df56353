import BlockIO

// Finds out what the image of a disc holds. Whoever made the image may have written anything into it: what
// is found decides where data is read, and nothing else.
extension SectorLayout {
    /// Bytes from the start of the image that are looked at: the file system's descriptor, when sectors
    /// have 2336 bytes.
    private static let probeSize = 16 * userDataAndCode + 16
    /// A sector of Mode 2 without synchronisation and header.
    private static let userDataAndCode = 2336
    /// A whole sector with its sub-channels.
    private static let withSubchannels = 2448
    /// Images whose size is not a multiple of 512 can appear with a size that is rounded up.
    private static let rounding: UInt64 = 512

    /// The layout of an image. An image whose start cannot be read is taken for one of blocks.
    ///
    /// Throws ``ATAError/invalidOption(_:)`` when the image has sectors of a kind that is not supported,
    /// which would be garbage as blocks.
    init(of image: BlockImage) throws(ATAError) {
        let start = try Self.readStart(of: image)
        let size = image.size
        guard let first = RawHeader(start, at: 0) else {
            let isFormatted =
                Self.hasDescriptor(start, at: 16 * Self.userDataAndCode + 8)
                && !Self.hasDescriptor(start, at: 16 * Disc.blockSize)
            if isFormatted && size % UInt64(Self.userDataAndCode) < Self.rounding {
                throw Self.refusal(image, "has sectors of 2336 bytes, which are not supported")
            }
            self = .blocks
            return
        }
        let second = RawHeader(start, at: RawSector.size)
        if second == nil && RawHeader(start, at: Self.withSubchannels) != nil {
            throw Self.refusal(
                image, "has sectors of 2448 bytes, with sub-channels, which are not supported")
        }
        guard size % UInt64(RawSector.size) < Self.rounding else {
            throw Self.refusal(
                image, "begins with a raw sector, but its size is not a multiple of 2352")
        }
        guard let layout = first.layout else {
            throw Self.refusal(
                image, "has raw sectors of mode \(first.mode), and only 1 and 2 are supported")
        }
        let isAlone = size < 2 * UInt64(RawSector.size)
        guard first.block != nil, isAlone || second?.follows(first) ?? false else {
            throw Self.refusal(
                image, "begins with a raw sector, but the headers of the first two do not agree")
        }
        self = layout
    }

    private static func refusal(_ image: BlockImage, _ reason: String) -> ATAError {
        .invalidOption("\(image.path) \(reason); convert it to blocks of 2048 bytes")
    }

    /// Less when the image is smaller, and nothing when it cannot be read. The queue is not the guest's,
    /// whose statistics begin with its own requests.
    private static func readStart(of image: BlockImage) throws(ATAError) -> [UInt8] {
        let count = Int(min(image.size, UInt64(probeSize)))
        guard count >= RawSector.userData else { return [] }
        let queue: BlockQueue
        do throws(BlockError) {
            queue = try BlockQueue(image, QueueOptions(depth: 1, hasDescriptor: false))
        } catch {
            throw .image(error)
        }
        defer { queue.close() }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 4096)
        defer { unsafe buffer.deallocate() }
        var isRead = false
        unsafe queue.read(into: buffer, at: 0)
        queue.drain { isRead = $0.isSuccess }
        return unsafe isRead ? Array(buffer) : []
    }

    /// "CD001" behind the type of a volume descriptor (ECMA-119 8.1).
    private static func hasDescriptor(_ bytes: [UInt8], at place: Int) -> Bool {
        bytes.count >= place + 6 && bytes[place + 1..<place + 6].elementsEqual("CD001".utf8)
    }
}

/// Synchronisation and header of a sector (ECMA-130 14.1 and 14.2).
private struct RawHeader {
    /// The logical block by its address; `nil` when that is not one in BCD.
    let block: Int64?
    let mode: UInt8

    /// `nil` without the pattern.
    init?(_ bytes: [UInt8], at place: Int) {
        guard bytes.count >= place + RawSector.userData else { return nil }
        let sync = bytes[place..<place + RawSector.header]
        guard sync.first == 0, sync.last == 0,
            sync.dropFirst().dropLast().allSatisfy({ $0 == 0xFF })
        else { return nil }
        mode = bytes[place + RawSector.header + 3]
        let digits = bytes[place + RawSector.header..<place + RawSector.header + 3]
        guard digits.allSatisfy({ $0 >> 4 < 10 && $0 & 15 < 10 }) else {
            block = nil
            return
        }
        let fields = digits.map { ($0 >> 4) * 10 + $0 & 15 }
        let address = DiscAddress(minute: fields[0], second: fields[1], frame: fields[2])
        block = address.isValid ? address.block : nil
    }

    var layout: SectorLayout? {
        switch mode {
        case 1: .mode1
        case 2: .mode2
        default: nil
        }
    }

    func follows(_ other: RawHeader) -> Bool {
        guard let block, let before = other.block else { return false }
        return mode == other.mode && block == before + 1
    }
}
