import BlockHost
import Glibc

// The station between the check and the pieces, which only images with a format have: a guest's request
// becomes requests for host files. Its states are in ``GuestWork``.
extension QueueCore {
    /// A request of the guest that has been checked.
    mutating func enterFormat(_ request: RequestPointer) {
        countComposite(request)
        request.pointee.submitsList = false
        let isFlush = request.pointee.operation == .flush
        let first = GuestWork(isFlush ? .metadata : .stretches)
        let work = unusedWork.popLast() ?? StablePointer(allocating: first)
        work.pointee = first
        request.pointee.work = work
        if request.pointee.operation == .resize { startResize(request) } else { goOn(request) }
    }

    /// Asks the format about a request of the guest, until there is something to wait for.
    mutating func goOn(_ request: RequestPointer) {
        guard let layout, let work = request.pointee.work else { return }
        request.pointee.phase = .children
        work.pointee.isRunnable = false
        // Children that end meanwhile do not come here: the stack is as deep for many as for one.
        work.pointee.isAsking = true
        var questions = 0
        while isToAsk(request, work) {
            if questions == Self.questionLimit { return postpone(request, work) }
            questions += 1
            if work.pointee.stage == .files {
                flushFiles(request, work)
            } else if !isAnswered(request, work, layout) {
                ask(layout, request, work)
            }
        }
        work.pointee.isAsking = false
        if work.pointee.children == 0 { completeGuest(request, work) }
    }

    /// The most questions about one request in a row. What the format answers without I/O costs time
    /// only, and a request may be larger than a caller has time for.
    private static var questionLimit: Int { 4096 }

    /// Goes on with a request at a later visit to the engine, which the wake brings about.
    private mutating func postpone(
        _ request: RequestPointer, _ work: StablePointer<GuestWork>
    ) {
        work.pointee.isAsking = false
        work.pointee.isRunnable = true
        postponed.append(request)
        wake()
    }

    /// Goes on with one of those that were postponed. The others have their turn at later visits, however
    /// many there are.
    @inline(never)
    mutating func goOnPostponed() {
        if let request = postponed.popFirst() { goOn(request) }
        if !postponed.isEmpty { wake() }
        runFollowers()
    }

    /// Whether there is something to ask, and nothing to wait for before.
    private func isToAsk(
        _ request: RequestPointer, _ work: StablePointer<GuestWork>
    ) -> Bool {
        if work.pointee.stage == .ending || work.pointee.formatChildren > 0 { return false }
        let isAnswered =
            work.pointee.stage == .stretches && request.pointee.operation != .resize
            && work.pointee.answered == request.pointee.length
        // Too late to cancel it.
        if isAnswered && !request.pointee.isDurable { return true }
        if request.pointee.isCancelled {
            work.pointee.fail(.cancelled, 0)
            return false
        }
        if isAnswered || work.pointee.stage != .stretches { return work.pointee.children == 0 }
        return work.pointee.children < FormatAnswer.requestLimit
    }

    /// Whether the format has been asked about all of a request; then what comes after that is next.
    private func isAnswered(
        _ request: RequestPointer, _ work: StablePointer<GuestWork>,
        _ layout: any ImageFormat
    ) -> Bool {
        guard work.pointee.stage == .stretches, request.pointee.operation != .resize,
            work.pointee.answered == request.pointee.length
        else { return false }
        let needsFlush =
            request.pointee.isDurable && (layout.hasChangedMetadata || image.hasUnsyncedMetadata)
        work.pointee.stage = needsFlush ? .metadata : .ending
        return true
    }

    private mutating func ask(
        _ layout: any ImageFormat, _ request: RequestPointer,
        _ work: StablePointer<GuestWork>
    ) {
        var question = question(request, work)
        let isStretch = question.isOfStretch
        let answer = layout.answer(&question)
        work.pointee.step = question.step
        switch answer {
        case .bytes(let file, let position, let count) where isStretch && count > 0:
            guard image.files.indices.contains(file) else { break }
            let taken = min(count, question.length)
            startChild(request, work, file: file, at: position, taken)
            return
        case .zeroes(let count)
        where isStretch && count > 0 && request.pointee.operation != .write:
            return clear(request, work, min(count, question.length))
        case .after(let requests)
        where (1...FormatAnswer.requestLimit).contains(requests.count)
            && work.pointee.rounds < FormatAnswer.roundLimit
            && requests.allSatisfy { image.files.indices.contains($0.file) }:
            work.pointee.rounds += 1
            for child in requests where work.pointee.stage != .ending {
                start(child, for: request, work)
            }
            return
        case .done where !isStretch:
            work.pointee.rounds = 0
            work.pointee.step = 0
            if question.operation == .flush {
                work.pointee.stage = .files
            } else {
                adoptGeometry(files[Int(guest)])
                work.pointee.stage = .ending
            }
            return
        case .failed(let code, let errno): return work.pointee.fail(code, errno)
        case .bytes, .zeroes, .after, .done: break
        }
        work.pointee.fail(.corruptImage, 0)
    }

    private func question(
        _ request: RequestPointer, _ work: StablePointer<GuestWork>
    ) -> FormatQuestion {
        let operation = work.pointee.isFlush ? .flush : request.pointee.operation
        let answered = work.pointee.answered
        return FormatQuestion(
            operation: operation,
            offset: ImageOffset(operation == .flush ? 0 : request.pointee.offset + answered),
            length: operation == .flush ? 0 : request.pointee.length - answered,
            isDurable: request.pointee.isDurable, step: work.pointee.step)
    }

    /// The next bytes of a request have been answered about.
    private func pass(_ work: StablePointer<GuestWork>, _ count: UInt64) {
        work.pointee.answered += count
        work.pointee.rounds = 0
        work.pointee.step = 0
    }

    /// The next bytes of a read, discard or write of zeroes are zeroes.
    private func clear(
        _ request: RequestPointer, _ work: StablePointer<GuestWork>, _ count: UInt64
    ) {
        if request.pointee.operation == .read {
            guard work.pointee.cursor.clear(count, in: request.pointee.vectors) else {
                work.pointee.firstLost = min(work.pointee.firstLost, work.pointee.answered)
                return work.pointee.fail(.system, EFAULT)
            }
        } else {
            work.pointee.add(.zeroes)
        }
        pass(work, count)
    }

    // MARK: Children

    /// A child for the next bytes of a request.
    private mutating func startChild(
        _ request: RequestPointer, _ work: StablePointer<GuestWork>, file: Int,
        at position: FilePosition, _ count: UInt64
    ) {
        let operation = request.pointee.operation
        let child = takeChild(of: request, work, operation, file, position)
        child.pointee.child.isOfGuest = true
        child.pointee.child.start = work.pointee.answered
        child.pointee.isDurable = request.pointee.isDurable
        child.pointee.zeroOptions = request.pointee.zeroOptions
        child.pointee.length = count
        if operation == .read || operation == .write { takeList(child, request, work, count) }
        pass(work, count)
        admit(child)
    }

    /// Gives a child the part of its parent's list that is next.
    private func takeList(
        _ child: RequestPointer, _ request: RequestPointer,
        _ work: StablePointer<GuestWork>, _ count: UInt64
    ) {
        switch work.pointee.cursor.take(count, from: request.pointee.vectors) {
        case .elements(let range):
            child.pointee.vectors = request.pointee.vectors.part(range)
        case .single(let vector): useSingleBuffer(child, vector)
        case .copy(let copy, let count):
            child.pointee.child.list = copy
            child.pointee.vectors = copy.list(count)
        }
    }

    private func useSingleBuffer(_ child: RequestPointer, _ vector: IOVector) {
        child.pointee.singleBuffer = vector
        child.pointee.vectors = child.singleBufferList
    }

    /// A child that the format wants.
    private mutating func start(
        _ wanted: FormatRequest, for request: RequestPointer,
        _ work: StablePointer<GuestWork>
    ) {
        let child = takeChild(of: request, work, wanted.operation, wanted.file, wanted.position)
        work.pointee.formatChildren += 1
        switch wanted.action {
        case .read(let buffer): useSingleBuffer(child, unsafe IOVector(buffer))
        case .write(let buffer): useSingleBuffer(child, unsafe IOVector(buffer))
        case .discard(let length), .writeZeroes(let length), .resize(let length):
            child.pointee.length = length
        case .flush: child.pointee.length = 0
        }
        admit(child)
    }

    /// The last stage of a flush: each file that may have been written to.
    private mutating func flushFiles(
        _ request: RequestPointer, _ work: StablePointer<GuestWork>
    ) {
        work.pointee.stage = .ending
        work.pointee.changesToFlush = formatChanges
        for (index, file) in image.files.enumerated() where file.access == .readWrite {
            admit(takeChild(of: request, work, .flush, index, FilePosition(0)))
        }
    }

    private mutating func takeChild(
        of request: RequestPointer, _ work: StablePointer<GuestWork>,
        _ operation: BlockOperation, _ file: Int, _ position: FilePosition
    ) -> RequestPointer {
        let child = takeSlot(operation, at: position.byte)
        child.pointee.cSubmission.file = UInt8(file)
        child.pointee.route = .guest
        // What an earlier request left in the slot is its caller's, and may be gone.
        child.pointee.vectors = IOVectorList()
        child.pointee.child.parent = request
        child.pointee.child.previous = work.pointee.lastChild
        if let last = work.pointee.lastChild {
            last.pointee.child.next = child
        } else {
            work.pointee.firstChild = child
        }
        work.pointee.lastChild = child
        work.pointee.children += 1
        counters.childRequests &+= 1
        return child
    }

    /// Settles a child that has completed, whose slot is free afterwards. Its parent goes on in `runFollowers`.
    mutating func settleChild(_ child: RequestPointer) {
        let link = child.pointee.child
        guard let request = link.parent, let work = request.pointee.work else { return }
        if let next = link.next {
            next.pointee.child.previous = link.previous
        } else {
            work.pointee.lastChild = link.previous
        }
        if let previous = link.previous {
            previous.pointee.child.next = link.next
        } else {
            work.pointee.firstChild = link.next
        }
        // The child was the last to use it.
        unsafe link.list?.deallocate()
        work.pointee.children -= 1
        if !link.isOfGuest && work.pointee.formatChildren > 0 { work.pointee.formatChildren -= 1 }
        if !link.isOfGuest && child.pointee.operation.changesImage {
            formatChanges &+= 1
            image.hasUnsyncedMetadata = true
        }
        note(child, link, work)
        recycle(child)
        let mayAsk = work.pointee.stage != .ending && work.pointee.formatChildren == 0
        guard work.pointee.children == 0 || mayAsk, !work.pointee.isAsking,
            !work.pointee.isRunnable
        else { return }
        work.pointee.isRunnable = true
        runnable.append(request)
    }

    /// Notes what the completion of a child means for its parent.
    private func note(
        _ child: RequestPointer, _ link: ChildLink, _ work: StablePointer<GuestWork>
    ) {
        guard let failure = child.pointee.failure else {
            let isRange =
                child.pointee.operation == .discard || child.pointee.operation == .writeZeroes
            if link.isOfGuest && isRange { work.pointee.add(child.pointee.effect) }
            return
        }
        if link.isOfGuest {
            let lost = link.start + child.pointee.moved
            work.pointee.firstLost = min(work.pointee.firstLost, lost)
        }
        // It was the format that asked for what is not there.
        work.pointee.fail(failure == .outOfRange ? .corruptImage : failure, child.pointee.errno)
    }

    /// Completes a guest's request: nothing more is to be asked, and no child is under way.
    private mutating func completeGuest(
        _ request: RequestPointer, _ work: StablePointer<GuestWork>
    ) {
        if work.pointee.rounds > 0 { layout?.abandon(question(request, work)) }
        let failure = work.pointee.failure
        request.pointee.errno = work.pointee.errno
        if failure == nil && work.pointee.changesToFlush == formatChanges {
            image.hasUnsyncedMetadata = false
        }
        if let effect = work.pointee.effect { request.pointee.effect = effect }
        if request.pointee.operation != .resize && request.pointee.effect != .oldData {
            request.pointee.moved = min(work.pointee.answered, work.pointee.firstLost)
        }
        complete(request, failure, failure == nil ? monotonicNanoseconds() : nil)
    }

    /// Asks for the children of a request to end early; it ends when they have.
    mutating func cancelChildren(of request: RequestPointer) {
        // From the latest to the oldest, because a child waits only for older ones. The completion of one then
        // releases none of those that are still to be cancelled.
        var next = request.pointee.work?.pointee.lastChild
        while let child = next {
            next = child.pointee.child.previous
            cancel(child)
        }
    }

    // MARK: Memory

    mutating func giveBack(_ work: StablePointer<GuestWork>) {
        if unusedWork.count < 256 {
            unusedWork.append(work)
        } else {
            // The request was the last to know it, and completes.
            unsafe work.destroy()
        }
    }

    /// Frees what is kept for later requests.
    mutating func releaseWork() {
        // No request knows them.
        for work in unusedWork { unsafe work.destroy() }
        unusedWork = []
    }
}

extension FormatQuestion {
    /// It is about bytes, and not about the image as a whole.
    fileprivate var isOfStretch: Bool { operation != .flush && operation != .resize }
}

extension FormatRequest {
    fileprivate var operation: BlockOperation {
        switch action {
        case .read: .read
        case .write: .write
        case .discard: .discard
        case .writeZeroes: .writeZeroes
        case .flush: .flush
        case .resize: .resize
        }
    }
}
