import BlockHost
import BlockIO
import Glibc

/// A model of the kernel below a queue: it holds the submissions in flight, answers them in the order
/// that a ``ModelChooser`` wants, and does them on a ``VolatileDisk``.
///
/// It has the weaknesses of a kernel. A failed write-back is reported once for each open file
/// description, to the first fdatasync(2) or RWF_DSYNC write that comes along, and what could not be
/// written is dropped; another that is in flight beside that one succeeds. Zeroes of a file are in the
/// page cache, as they are where a block of the file system is cleared in part. A submission has
/// its effect at the moment in which it is answered.
///
/// Unchecked, because it is for one thread at a time: that of the queue, or that of an exploration while the
/// queue's does not run.
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
        /// back, when another submission beside it was the first to report that. So it is on Linux.
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
        let tag: ModelTag
        let submission: ModelSubmission
        /// What an fdatasync covers.
        let sequence: UInt64
        /// The open file descriptions for which it reports a write-back that failed.
        var told: [Description] = []
        /// Another submission has reported the failure of this one's write-back.
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
    /// A submission has been answered with the news of a write-back that failed.
    package private(set) var hasToldFailure = false
    /// The image has opened its buffered descriptor, and keeps it.
    package private(set) var hasUsedBufferedDescriptor = false
    /// Fewer submissions were taken the last time than were offered.
    private(set) var hasRefused = false
    /// Answers that have not been taken, oldest first.
    private var answered: [(tag: ModelTag, result: Int64)] = []
    /// Readable when something has ended; -1 when that is told in another way.
    var event: Event?
    /// Signals of this kernel that the descriptor holds; more are wakes.
    private var signals: UInt64 = 0

    package init(_ disk: VolatileDisk, _ chooser: any ModelChooser, _ shape: Shape) {
        self.disk = disk
        self.chooser = chooser
        self.shape = shape
        flights.reserveCapacity(8)
        answered.reserveCapacity(8)
    }

    package var isBuffered: Bool { shape.isBuffered }

    package var file: CInt { shape.file }

    var block: Int { shape.block }

    /// The number of submissions that have begun and have not been answered.
    package var inFlight: Int { flights.count }

    package var hasAnswered: Bool { !answered.isEmpty }

    package var answeredCount: Int { answered.count }

    /// How many of the submissions at the head of a list are taken now.
    package func accept(_ offered: Int) -> Int {
        hasRefused = false
        guard offered > 0 else { return 0 }
        let taken = chooser.accepted(of: offered)
        hasRefused = taken < offered
        if taken < offered {
            chooser.note("EAGAIN: \(taken) of \(offered) submissions taken")
        }
        return taken
    }

    package func begin(_ tag: ModelTag, _ submission: ModelSubmission) {
        checkAlignment(submission)
        if submission.kind == .bufferedWrite { hasUsedBufferedDescriptor = true }
        var flight = Flight(tag: tag, submission: submission, sequence: disk.sequence)
        if let description = reportsTo(submission) {
            if chooser.fault(of: [.writeBack]) != nil {
                chooser.note("a write-back fails")
                loseDirtyPages()
            }
            if untold.remove(description) != nil { flight.told.append(description) }
            if submission.kind == .synchronizeBoth, untold.remove(.buffered) != nil {
                flight.told.append(.buffered)
            }
        }
        chooser.note(
            "begin: \(submission)\(flight.told.isEmpty ? "" : ", which is told of the failure")")
        flights.append(flight)
    }

    /// Asks for a submission to be answered early.
    package func cancel(_ tag: ModelTag) {
        for index in flights.indices where flights[index].tag == tag {
            flights[index].isCancelled = true
        }
    }

    /// Answers as many submissions as the chooser wants, in the order that it wants.
    package func answer(from least: Int, through most: Int) {
        let count = least == most ? least : chooser.number(from: least, through: most)
        for _ in 0..<count {
            let index = flights.count == 1 ? 0 : chooser.index(below: flights.count)
            let flight = flights.remove(at: index)
            answered.append((flight.tag, result(of: flight)))
        }
    }

    /// Answers at least one submission, while nobody is in the kernel.
    package func answerSome() {
        answer(from: 1, through: flights.count)
        signalIfDue()
    }

    /// The descriptor is readable when something has ended or may have, and when the time has come to
    /// offer again what was refused.
    func signalIfDue() {
        let isDue = hasAnswered || hasRefused || (chooser.isAutonomous && inFlight > 0)
        if isDue && signals == 0, let event {
            event.signal()
            signals = 1
        }
    }

    /// Makes the descriptor quiet; true when there was a wake.
    func clearEvent() -> Bool {
        var value: UInt64 = 0
        if let event { _ = unsafe Glibc.read(event.descriptor, &value, MemoryLayout<UInt64>.size) }
        defer { signals = 0 }
        return value > signals
    }

    package func takeAnswered() -> (tag: ModelTag, result: Int64)? {
        answered.isEmpty ? nil : answered.removeFirst()
    }

    /// Makes a blocking call: the submission begins and is answered before this returns.
    package func makeBlockingCall(_ submission: ModelSubmission) -> Int64 {
        let tag = unsafe ModelTag(nil)
        begin(tag, submission)
        return result(of: flights.removeLast())
    }

    private func isPageWrite(_ submission: ModelSubmission) -> Bool {
        submission.kind == .bufferedWrite || (submission.kind == .write && shape.isBuffered)
    }

    /// The open file description whose news of failed write-backs a submission is told.
    private func reportsTo(_ submission: ModelSubmission) -> Description? {
        switch submission.kind {
        case .synchronize, .synchronizeBoth:
            if !shape.isBuffered && !disk.hasDirtyPages && untold.isEmpty { return nil }
            return submission.usesBufferedDescriptor ? .buffered : .image
        case .write:
            let isTold = shape.isBuffered || disk.hasDirtyPages || !untold.isEmpty
            return submission.isDurable && isTold ? .image : nil
        case .bufferedWrite: return submission.isDurable ? .buffered : nil
        case .read, .zero, .truncate: return nil
        }
    }

    private func loseDirtyPages() {
        disk.dropDirtyPages()
        untold = [.image, .buffered]
        for index in flights.indices
        where shape.eatsDurableErrors && isPageWrite(flights[index].submission) {
            flights[index].isLost = true
        }
    }

    private func checkAlignment(_ submission: ModelSubmission) {
        guard submission.kind == .read || submission.kind == .write else { return }
        var bits = submission.position
        for element in submission.list { bits |= element.length }
        if bits & (shape.block - 1) != 0 {
            chooser.reportMisuse(
                "a submission that is not aligned to \(shape.block): \(submission)")
        }
    }

    private func result(of flight: Flight) -> Int64 {
        let submission = flight.submission
        if flight.isCancelled, chooser.cancels() {
            // It was never begun: another is told.
            untold.formUnion(flight.told)
            chooser.note("end with ECANCELED: \(submission)")
            return -Int64(ECANCELED)
        }
        if !flight.told.isEmpty {
            hasToldFailure = true
            chooser.note("end with EIO: \(submission)")
            return -Int64(EIO)
        }
        switch chooser.fault(of: faults(of: submission)) {
        case .error(let errno):
            chooser.note("end with errno \(errno): \(submission)")
            return -Int64(errno)
        case .short(let limit):
            chooser.note("end after \(limit) bytes: \(submission)")
            return effect(flight, limit: limit)
        case .writeBack, nil:
            chooser.note("end: \(submission)")
            return effect(flight, limit: .max)
        }
    }

    private func effect(_ flight: Flight, limit: Int) -> Int64 {
        let submission = flight.submission
        switch submission.kind {
        case .read: return disk.read(submission, limit: limit)
        case .write, .bufferedWrite:
            var place = isPageWrite(submission) ? VolatileDisk.Place.pageCache : .deviceCache
            if submission.isDurable { place = flight.isLost ? .dropped : .stable }
            let before = disk.byteCount
            let moved = disk.write(submission, place, limit: limit)
            if disk.byteCount != before { resizeFile() }
            return moved
        case .synchronize, .synchronizeBoth: disk.flush(through: flight.sequence)
        case .zero:
            disk.zero(
                submission.position..<submission.position + submission.length, .pageCache)
        case .truncate:
            guard submission.position <= VolatileDisk.sizeLimit else { return -Int64(EFBIG) }
            disk.truncate(to: submission.position)
            resizeFile()
        }
        return 0
    }

    private func resizeFile() {
        guard shape.file >= 0 else { return }
        let result = ftruncate(shape.file, off_t(disk.byteCount))
        precondition(result == 0, "ftruncate(2) of the model's file failed: \(errno)")
    }

    /// What can go wrong with a submission when it is answered, one of each kind that a queue tells apart.
    private func faults(of submission: ModelSubmission) -> [ModelFault] {
        switch submission.kind {
        case .read:
            return Self.shorts(submission.length, shape.block) + [.error(EAGAIN), .error(EIO)]
        case .write, .bufferedWrite:
            var menu = Self.shorts(submission.length, shape.block) + [.error(EAGAIN)]
            if submission.isDurable { menu.append(.error(EOPNOTSUPP)) }
            // That of a durable write through the page cache was decided when it began.
            if !(submission.isDurable && isPageWrite(submission)) { menu.append(.error(EIO)) }
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
