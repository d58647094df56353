import BlockHost
import BlockIO
import Glibc

/// One operation of a queue, as a kernel is asked for it.
package struct ModelOperation {
    package enum Kind: UInt8 {
        case read, write, synchronize, synchronizeBoth, bufferedWrite, zero, truncate
    }

    package var kind: Kind
    package var isDurable = false
    /// A sync by the descriptor that takes the bytes behind the last whole block.
    package var usesBufferedDescriptor = false
    package var vectors: UnsafePointer<iovec>?
    package var vectorCount = 0
    /// Byte in the image; the new size for `truncate`.
    package var position = 0
    /// Bytes concerned.
    package var length = 0

    package init(_ kind: Kind) { self.kind = kind }

    func forEachVector(_ body: (iovec) -> Void) {
        for index in 0..<vectorCount { body(vectors.unsafelyUnwrapped[index]) }
    }
}

extension ModelOperation {
    init(_ order: EngineOrder) {
        switch order.operation {
        case .read: kind = .read
        case .write: kind = .write
        case .synchronize: kind = .synchronize
        case .synchronizeBoth: kind = .synchronizeBoth
        case .bufferedWrite: kind = .bufferedWrite
        case .punchHole, .zeroRange, .deviceDiscard, .deviceZero: kind = .zero
        case .truncate: kind = .truncate
        }
        isDurable = order.isDurable
        vectors = order.vectors
        vectorCount = Int(order.vectorCount)
        position = Int(clamping: order.position)
        length = Int(clamping: order.length)
    }
}

extension ModelOperation: CustomStringConvertible {
    package var description: String {
        switch kind {
        case .synchronize: "fdatasync"
        case .synchronizeBoth: "fdatasync of both descriptors"
        case .truncate: "truncate to \(position)"
        default: "\(isDurable ? "durable " : "")\(kind) \(position)..<\(position + length)"
        }
    }
}

/// A model of the kernel below a queue: it holds the operations in flight, ends them in the order
/// that a ``ModelChooser`` wants, and does them on a ``VolatileDisk``.
///
/// It has the weaknesses of a kernel. A failed write-back is reported once for each open file
/// description, to the first fdatasync(2) or RWF_DSYNC write that comes along, and what could not be
/// written is dropped; another that is in flight beside that one succeeds. Zeroes of a file are in the
/// page cache, as they are where a block of the file system is cleared in part. An operation has its
/// effect at the moment in which it ends.
package final class ModelKernel: @unchecked Sendable {
    /// What a model stands for.
    package struct Shape {
        /// Writes go through the host's page cache.
        package var isBuffered: Bool
        /// The alignment that is demanded of reads and writes.
        package var block: Int
        /// A descriptor of the file that the image was opened with, whose size follows that of the disk; -1
        /// for an image that was opened on the model.
        package var file: CInt

        /// A durable write through the page cache succeeds although its bytes could not be written
        /// back, when another operation beside it was the first to report that. So it is on Linux.
        package var eatsDurableErrors: Bool

        package init(
            isBuffered: Bool, block: Int, file: CInt = -1, eatsDurableErrors: Bool = true
        ) {
            self.isBuffered = isBuffered
            self.block = block
            self.file = file
            self.eatsDurableErrors = eatsDurableErrors
        }
    }

    private struct Flight {
        let tag: UnsafeMutableRawPointer
        let operation: ModelOperation
        /// What an fdatasync covers.
        let sequence: UInt64
        /// The open file descriptions for which it reports a write-back that failed.
        var told: [Description] = []
        /// Another operation has reported the failure of this one's write-back.
        var isLost = false
        var isCancelled = false
    }

    /// Open file descriptions of the image's file.
    private enum Description {
        case image
        /// The one that takes the bytes behind the last whole block.
        case buffered
    }

    package let disk: VolatileDisk
    package let chooser: any ModelChooser
    private let shape: Shape
    private var flights: [Flight] = []
    /// Open file descriptions that have not been told of the latest write-back that failed.
    private var untold: Set<Description> = []
    /// An operation has ended with the news of a write-back that failed.
    package private(set) var hasToldFailure = false
    /// The image has opened its buffered descriptor, and keeps it.
    package private(set) var hasUsedBufferedDescriptor = false
    /// Fewer operations were taken at the last submission than were offered.
    private(set) var hasRefused = false
    /// Ended and not yet taken, oldest first.
    private var ended: [(tag: UnsafeMutableRawPointer, result: Int64)] = []
    /// Readable when something has ended; -1 when that is told in another way.
    var event: Event?
    /// Signals of this kernel that the descriptor holds; more are wakes.
    private var signals: UInt64 = 0

    package init(_ disk: VolatileDisk, _ chooser: any ModelChooser, _ shape: Shape) {
        self.disk = disk
        self.chooser = chooser
        self.shape = shape
        flights.reserveCapacity(8)
        ended.reserveCapacity(8)
    }

    package var isBuffered: Bool { shape.isBuffered }

    package var file: CInt { shape.file }

    var block: Int { shape.block }

    /// Operations that have begun and not ended.
    package var inFlight: Int { flights.count }

    package var hasEnded: Bool { !ended.isEmpty }

    package var endedCount: Int { ended.count }

    /// How many of the operations at the head of a list are taken now.
    package func accept(_ offered: Int) -> Int {
        hasRefused = false
        guard offered > 0 else { return 0 }
        let taken = chooser.accepted(of: offered)
        hasRefused = taken < offered
        if taken < offered {
            chooser.note("EAGAIN at submission: \(taken) of \(offered) operations taken")
        }
        return taken
    }

    package func begin(_ tag: UnsafeMutableRawPointer, _ operation: ModelOperation) {
        checkAlignment(operation)
        if operation.kind == .bufferedWrite { hasUsedBufferedDescriptor = true }
        var flight = Flight(tag: tag, operation: operation, sequence: disk.sequence)
        if let description = reportsTo(operation) {
            if chooser.fault(of: [.writeBack]) != nil {
                chooser.note("a write-back fails")
                loseDirtyPages()
            }
            if untold.remove(description) != nil { flight.told.append(description) }
            if operation.kind == .synchronizeBoth, untold.remove(.buffered) != nil {
                flight.told.append(.buffered)
            }
        }
        chooser.note(
            "begin: \(operation)\(flight.told.isEmpty ? "" : ", which is told of the failure")")
        flights.append(flight)
    }

    /// Asks for an operation to end early.
    package func cancel(_ tag: UnsafeMutableRawPointer) {
        for index in flights.indices where flights[index].tag == tag {
            flights[index].isCancelled = true
        }
    }

    /// Ends so many operations as the chooser wants, in the order that it wants.
    package func end(from least: Int, through most: Int) {
        let count = least == most ? least : chooser.number(from: least, through: most)
        for _ in 0..<count {
            let index = flights.count == 1 ? 0 : chooser.index(below: flights.count)
            let flight = flights.remove(at: index)
            ended.append((flight.tag, result(of: flight)))
        }
    }

    /// Ends at least one operation, while nobody is in the kernel.
    package func endSome() {
        end(from: 1, through: flights.count)
        signalIfDue()
    }

    /// The descriptor is readable when something has ended or may have, and when the time has come to
    /// offer again what was refused.
    func signalIfDue() {
        let isDue = hasEnded || hasRefused || (chooser.isAutonomous && inFlight > 0)
        if isDue && signals == 0, let event {
            event.signal()
            signals = 1
        }
    }

    /// Makes the descriptor quiet; true when there was a wake.
    func clearEvent() -> Bool {
        var value: UInt64 = 0
        if let event { _ = Glibc.read(event.descriptor, &value, MemoryLayout<UInt64>.size) }
        defer { signals = 0 }
        return value > signals
    }

    package func takeEnded() -> (tag: UnsafeMutableRawPointer, result: Int64)? {
        ended.isEmpty ? nil : ended.removeFirst()
    }

    /// Does a blocking call: it begins and ends here.
    package func perform(_ operation: ModelOperation) -> Int64 {
        let tag = UnsafeMutableRawPointer(bitPattern: 1).unsafelyUnwrapped
        begin(tag, operation)
        return result(of: flights.removeLast())
    }

    private func isPageWrite(_ operation: ModelOperation) -> Bool {
        operation.kind == .bufferedWrite || (operation.kind == .write && shape.isBuffered)
    }

    /// The open file description whose news of failed write-backs an operation is told.
    private func reportsTo(_ operation: ModelOperation) -> Description? {
        switch operation.kind {
        case .synchronize, .synchronizeBoth:
            if !shape.isBuffered && !disk.hasDirtyPages && untold.isEmpty { return nil }
            return operation.usesBufferedDescriptor ? .buffered : .image
        case .write:
            let isTold = shape.isBuffered || disk.hasDirtyPages || !untold.isEmpty
            return operation.isDurable && isTold ? .image : nil
        case .bufferedWrite: return operation.isDurable ? .buffered : nil
        case .read, .zero, .truncate: return nil
        }
    }

    private func loseDirtyPages() {
        disk.dropDirtyPages()
        untold = [.image, .buffered]
        for index in flights.indices
        where shape.eatsDurableErrors && isPageWrite(flights[index].operation) {
            flights[index].isLost = true
        }
    }

    private func checkAlignment(_ operation: ModelOperation) {
        guard operation.kind == .read || operation.kind == .write else { return }
        var bits = operation.position
        operation.forEachVector { bits |= $0.iov_len }
        if bits & (shape.block - 1) != 0 {
            chooser.reportMisuse("an operation that is not aligned to \(shape.block): \(operation)")
        }
    }

    private func result(of flight: Flight) -> Int64 {
        let operation = flight.operation
        if flight.isCancelled, chooser.cancels() {
            // It was never begun: another is told.
            untold.formUnion(flight.told)
            chooser.note("end with ECANCELED: \(operation)")
            return -Int64(ECANCELED)
        }
        if !flight.told.isEmpty {
            hasToldFailure = true
            chooser.note("end with EIO: \(operation)")
            return -Int64(EIO)
        }
        switch chooser.fault(of: faults(of: operation)) {
        case .error(let errno):
            chooser.note("end with errno \(errno): \(operation)")
            return -Int64(errno)
        case .short(let limit):
            chooser.note("end after \(limit) bytes: \(operation)")
            return effect(flight, limit: limit)
        case .writeBack, nil:
            chooser.note("end: \(operation)")
            return effect(flight, limit: .max)
        }
    }

    private func effect(_ flight: Flight, limit: Int) -> Int64 {
        let operation = flight.operation
        switch operation.kind {
        case .read: return disk.read(operation, limit: limit)
        case .write, .bufferedWrite:
            var place = isPageWrite(operation) ? VolatileDisk.Place.pageCache : .deviceCache
            if operation.isDurable { place = flight.isLost ? .dropped : .stable }
            let before = disk.byteCount
            let moved = disk.write(operation, place, limit: limit)
            if disk.byteCount != before { resizeFile() }
            return moved
        case .synchronize, .synchronizeBoth: disk.flush(through: flight.sequence)
        case .zero:
            disk.zero(
                operation.position..<operation.position + operation.length, .pageCache)
        case .truncate:
            guard operation.position <= VolatileDisk.sizeLimit else { return -Int64(EFBIG) }
            disk.truncate(to: operation.position)
            resizeFile()
        }
        return 0
    }

    private func resizeFile() {
        guard shape.file >= 0 else { return }
        let result = ftruncate(shape.file, off_t(disk.byteCount))
        precondition(result == 0, "ftruncate(2) of the model's file failed: \(errno)")
    }

    /// What can go wrong at the end of an operation, one of each kind that a queue tells apart.
    private func faults(of operation: ModelOperation) -> [ModelFault] {
        switch operation.kind {
        case .read:
            return Self.shorts(operation.length, shape.block) + [.error(EAGAIN), .error(EIO)]
        case .write, .bufferedWrite:
            var menu = Self.shorts(operation.length, shape.block) + [.error(EAGAIN)]
            if operation.isDurable { menu.append(.error(EOPNOTSUPP)) }
            // That of a durable write through the page cache was decided when it began.
            if !(operation.isDurable && isPageWrite(operation)) { menu.append(.error(EIO)) }
            return menu
        case .synchronize, .synchronizeBoth:
            return shape.isBuffered ? [.error(EINTR)] : [.error(EINTR), .error(EIO)]
        case .zero: return [.error(EINTR), .error(EOPNOTSUPP), .error(EIO)]
        case .truncate: return [.error(EINTR), .error(EIO)]
        }
    }

    /// A block of several, and less than a block.
    private static func shorts(_ length: Int, _ block: Int) -> [ModelFault] {
        let less = ModelFault.short(max(1, min(block, length) / 2))
        return block > 1 && length > block ? [.short(block), less] : [less]
    }
}
