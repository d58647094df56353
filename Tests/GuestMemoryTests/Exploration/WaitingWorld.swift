import Glibc

@testable import GuestMemory
@testable import TestSupport

/// Three transfers that share two units of bounce memory, and all that can happen to them, one action
/// after another. What must always hold is checked after each.
final class WaitingWorld {
    /// What a transfer is like.
    struct Plan: CustomStringConvertible {
        enum Kind { case local, remote, mapping }

        var units: Int
        var mapper: Int
        var kind = Kind.local
        var direction = DMADirection.fromDevice

        var length: Int { units * WaitingWorld.unit }
        var description: String { "\(kind) \(direction) \(units) units by mapper \(mapper)" }
    }

    /// What can happen next.
    enum Action: CustomStringConvertible {
        case begin(Int)
        case complete(Int)
        case answer(Int)
        case resume(Int)
        case fail(Int)
        case failAnswer(Int)
        case cancel(Int)

        var description: String {
            switch self {
            case .begin(let index): "begin \(index)"
            case .complete(let index): "complete \(index)"
            case .answer(let index): "answer \(index)"
            case .resume(let mapper): "resume mapper \(mapper)"
            case .fail(let index): "fail \(index)"
            case .failAnswer(let index): "fail the answer to \(index)"
            case .cancel(let index): "cancel \(index)"
            }
        }
    }

    struct Wrong: Error { let what: String }

    static let unit = 4096
    /// Room for a transfer in guest memory, in units.
    private static let room = 4

    /// What was done with a transfer so far.
    private struct Progress {
        var hasBegun = false
        var transfer: DMATransfer?
        var piece: DMAPiece?
        /// It was cancelled before its last piece was submitted.
        var isToBeCancelled = false
        var hasFailed = false
        var result: DMAResult?
        /// Bytes of pieces that have ended well.
        var moved = 0
        /// Bytes of the piece that is being stored.
        var stored = 0
    }

    private let plans: [Plan]
    /// The device answers within the call that goes on with a transfer.
    private let answersAtOnce: Bool
    private let space: AddressSpace
    private let ram: GuestRAM
    private let remotes: [RemoteStore]
    private var mappers: [(mapper: DMAMapper, bell: Bell)] = []
    private var progress: [Progress] = []
    private var mapping: DMAMapping?
    private var disturbances = 0
    private let initial: [UInt8]

    private final class Bell: @unchecked Sendable { var hasRung = false }

    init(_ plans: [Plan], answersAtOnce: Bool) throws {
        self.plans = plans
        self.answersAtOnce = answersAtOnce
        space = try AddressSpace(bounceLimit: 2 * Self.unit)
        let room = Self.room * Self.unit
        ram = try GuestRAM(size: plans.count * room)
        ram.dirtyLog.start(.migration)
        initial = pattern(plans.count * room)
        try space.map(.ram(ram), at: 0)
        remotes = plans.map { _ in RemoteStore(size: room) }
        for (index, remote) in remotes.enumerated() {
            try space.map(
                .remote(remote, size: UInt64(room)), at: 1 << 40 + UInt64(index * room))
        }
        for _ in 0...(plans.map(\.mapper).max() ?? 0) {
            let bell = Bell()
            let mapper = try DMAMapper(space, options: DMAOptions(forceBounce: true)) {
                bell.hasRung = true
            }
            mappers.append((mapper, bell))
        }
        reset()
    }

    /// As if nothing had ever happened.
    func reset() {
        progress = plans.map { _ in Progress() }
        disturbances = 0
        ram.put(initial)
        _ = ram.dirtyLog.takePages()
        for index in plans.indices {
            remotes[index].reset(Array(initial[place(index)..<place(index + 1)]))
        }
        for (_, bell) in mappers { bell.hasRung = false }
    }

    private func place(_ index: Int) -> Int { index * Self.room * Self.unit }

    /// What the device has for a transfer: other bytes than memory.
    private func deviceByte(_ index: Int, _ offset: Int) -> UInt8 {
        UInt8(truncatingIfNeeded: 1 + index * 64 + offset / Self.unit * 3)
    }

    // MARK: Actions

    /// Everything that can happen now. Transfers begin in their order: plans are in every order.
    func actions() -> [Action] {
        var actions: [Action] = []
        if let next = progress.firstIndex(where: { !$0.hasBegun }) { actions.append(.begin(next)) }
        for (index, (_, bell)) in mappers.enumerated() where bell.hasRung {
            actions.append(.resume(index))
        }
        for (index, state) in progress.enumerated() where state.hasBegun && state.result == nil {
            if state.piece != nil { actions.append(.complete(index)) }
            if remotes[index].isAsked { actions.append(.answer(index)) }
            guard disturbances == 0, plans[index].kind != .mapping else { continue }
            if state.piece != nil { actions.append(.fail(index)) }
            if remotes[index].isAsked { actions.append(.failAnswer(index)) }
            actions.append(.cancel(index))
        }
        return actions
    }

    func perform(_ action: Action) throws {
        switch action {
        case .begin(let index): try begin(index)
        case .complete(let index): try complete(index)
        case .answer(let index): remotes[index].answer(isSuccess: true)
        case .resume(let index):
            mappers[index].bell.hasRung = false
            var wrong: (any Error)?
            mappers[index].mapper.resume { transfer, step in
                do {
                    try take(Int(transfer.userData), transfer, step)
                } catch {
                    wrong = error
                }
            }
            if let wrong { throw wrong }
        case .fail(let index):
            disturbances += 1
            progress[index].hasFailed = true
            try end(index, count: 0, isSuccess: false)
        case .failAnswer(let index):
            disturbances += 1
            progress[index].hasFailed = true
            remotes[index].answer(isSuccess: false)
        case .cancel(let index):
            disturbances += 1
            progress[index].isToBeCancelled = !isLastPieceSubmitted(index)
            guard let transfer = progress[index].transfer, let step = transfer.cancel() else {
                break
            }
            try take(index, transfer, step)
        }
        try checkThatNobodyIsForgotten()
    }

    /// Whether the device has the last piece, or has had it and the bytes are being stored.
    private func isLastPieceSubmitted(_ index: Int) -> Bool {
        let state = progress[index]
        if let piece = state.piece {
            return Int((piece.offset &+ piece.length).rawValue) == plans[index].length
        }
        return state.stored > 0 && state.moved + state.stored == plans[index].length
    }

    private func begin(_ index: Int) throws {
        let plan = plans[index]
        let base: GuestAddress = plan.kind == .remote ? 1 << 40 : 0
        let address = base + UInt64(place(index))
        progress[index].hasBegun = true
        let mapper = mappers[plan.mapper].mapper
        if plan.kind == .mapping {
            do throws(GuestMemoryError) {
                mapping = try mapper.map(
                    address: address, length: UInt64(plan.length), plan.direction)
                // Ends by `complete`.
                progress[index].piece = DMAPiece(
                    vectors: mapping?.vectors ?? .init(start: nil, count: 0), offset: 0,
                    length: UInt64(plan.length))
            } catch {
                guard error.code == .bounceUnavailable else { throw error }
                progress[index].hasFailed = true
                progress[index].result = DMAResult(.fault(error), 0)
            }
            return
        }
        let list = ScatterGatherList([(address, UInt64(plan.length))])
        let (transfer, step) = mapper.begin(
            list, plan.direction, unit: Self.unit, userData: UInt(index))
        progress[index].transfer = transfer
        try take(index, transfer, step, isBegin: true)
    }

    private func complete(_ index: Int) throws {
        guard let piece = progress[index].piece else { throw Wrong(what: "nothing to complete") }
        try exchange(index, piece)
        try end(index, count: Int(piece.length), isSuccess: true)
    }

    /// Moves the bytes between the device and the piece.
    private func exchange(_ index: Int, _ piece: DMAPiece) throws {
        var offset = Int(piece.offset.rawValue)
        for vector in piece.vectors {
            guard let memory = vector.iov_base else { throw Wrong(what: "a piece without memory") }
            for page in stride(from: 0, to: vector.iov_len, by: Self.unit) {
                let byte = deviceByte(index, offset + page)
                switch plans[index].direction {
                case .fromDevice: memset(memory + page, CInt(byte), Self.unit)
                case .toDevice:
                    let isRight = initial.withUnsafeBytes {
                        let expected = $0.baseAddress! + place(index) + offset + page
                        return memcmp(memory + page, expected, Self.unit) == 0
                    }
                    if !isRight { throw Wrong(what: "\(index) gets other bytes than memory has") }
                }
            }
            offset += vector.iov_len
        }
    }

    private func end(_ index: Int, count: Int, isSuccess: Bool) throws {
        progress[index].piece = nil
        if plans[index].kind == .mapping {
            try mapping.take()?.unmap()
            progress[index].moved = count
            progress[index].result = DMAResult(.success, UInt64(count))
            return
        }
        guard let transfer = progress[index].transfer else { throw Wrong(what: "no transfer") }
        progress[index].stored = isSuccess ? count : 0
        if !(plans[index].kind == .remote && plans[index].direction == .fromDevice) {
            settle(index)
        }
        try take(
            index, transfer,
            transfer.pieceEnded(
                transferred: UInt64(count), isSuccess: isSuccess))
    }

    /// The bytes of the last piece have got where they belong.
    private func settle(_ index: Int) {
        progress[index].moved += progress[index].stored
        progress[index].stored = 0
    }

    private func take(
        _ index: Int, _ transfer: DMATransfer, _ step: DMAStep, isBegin: Bool = false
    ) throws {
        if progress[index].result != nil { throw Wrong(what: "\(index) goes on after its end") }
        if progress[index].piece != nil { throw Wrong(what: "\(index) has two pieces") }
        // Bytes that were being stored are there, unless that has failed.
        if !progress[index].hasFailed, !remotes[index].isAsked { settle(index) }
        switch step {
        case .submit(let piece):
            progress[index].piece = piece
            if answersAtOnce && !isBegin { try complete(index) }
        case .wait:
            if !transfer.isWaiting { throw Wrong(what: "\(index) does not wait") }
        case .done(let result): progress[index].result = result
        }
    }

    // MARK: What must hold

    /// Whoever waits for memory waits for somebody who has some, or has been told to go on.
    private func checkThatNobodyIsForgotten() throws {
        guard space.bouncePool.waiting > 0 else { return }
        let isHeld = progress.indices.contains {
            progress[$0].piece != nil || remotes[$0].isAsked
        }
        if !isHeld && !mappers.contains(where: \.bell.hasRung) {
            throw Wrong(what: "memory is free, and nobody wakes the transfer that waits for it")
        }
    }

    /// Nothing can happen any more.
    func checkEnd() throws {
        for (index, state) in progress.enumerated() {
            guard let result = state.result else { throw Wrong(what: "\(index) never ends") }
            let total = plans[index].length
            let isRight: Bool =
                switch result.outcome {
                case .success:
                    !state.hasFailed && !state.isToBeCancelled && state.moved == total
                case .cancelled: state.isToBeCancelled
                case .deviceFailed: state.hasFailed
                case .fault(let error):
                    state.hasFailed
                        && error.code
                            == (plans[index].kind == .mapping ? .bounceUnavailable : .remoteFailed)
                }
            guard isRight, Int(result.transferred) == state.moved else {
                throw Wrong(what: "\(index) ends as \(result), with \(state.moved) bytes moved")
            }
        }
        let pool = space.bouncePool
        guard pool.available == pool.size, pool.waiting == 0 else {
            throw Wrong(what: "\(pool.available) bytes are free, \(pool.waiting) wait")
        }
        for (mapper, _) in mappers where mapper.isWaiting || mapper.statistics.active > 0 {
            throw Wrong(what: "a mapper thinks that transfers are left")
        }
        try checkMemory()
    }

    /// Pages that a device has written have its bytes and are dirty, all others are neither.
    private func checkMemory() throws {
        var dirty: [Int] = []
        for (index, plan) in plans.enumerated() {
            let written = plan.direction == .fromDevice ? progress[index].moved / Self.unit : 0
            for page in 0..<Self.room {
                let offset = place(index) + page * Self.unit
                let isWritten = page < written
                if isWritten && plan.kind != .remote { dirty.append(offset / Self.unit) }
                let found =
                    plan.kind == .remote
                    ? remotes[index].page(page) : UnsafeRawPointer(ram.base + offset)
                // A store that failed may have been made.
                if plan.kind == .remote && progress[index].hasFailed && page >= written { continue }
                let first = isWritten ? deviceByte(index, page * Self.unit) : initial[offset]
                let last = isWritten ? first : initial[offset + Self.unit - 1]
                let bytes = UnsafeRawBufferPointer(start: found, count: Self.unit)
                guard bytes.first == first, bytes.last == last else {
                    throw Wrong(what: "page \(page) of \(index) has other bytes than it should")
                }
            }
        }
        let found = ram.dirtyLog.takePages()
        guard found == dirty else { throw Wrong(what: "pages \(found) are dirty, not \(dirty)") }
    }
}

/// Memory of another process that answers when it is told to.
private final class RemoteStore: RemoteMemory, @unchecked Sendable {
    private let bytes: UnsafeMutableRawBufferPointer
    private var asked: [(copy: () -> Void, answer: RemoteAnswer)] = []

    init(size: Int) { bytes = .allocate(byteCount: size, alignment: 16) }

    deinit { bytes.deallocate() }

    var maximumTransfer: Int { .max }

    var isAsked: Bool { !asked.isEmpty }

    func reset(_ content: [UInt8]) {
        asked = []
        bytes.copyBytes(from: content)
    }

    func page(_ number: Int) -> UnsafeRawPointer {
        UnsafeRawPointer(bytes.baseAddress!) + number * WaitingWorld.unit
    }

    func answer(isSuccess: Bool) {
        let (copy, answer) = asked.removeFirst()
        if isSuccess { copy() }
        answer.requestCompleted(isSuccess: isSuccess)
    }

    func read(
        offset: UInt64, into buffer: UnsafeMutableRawBufferPointer, _ answer: RemoteAnswer
    ) {
        let source = UnsafeRawBufferPointer(rebasing: bytes[Int(offset)...].prefix(buffer.count))
        asked.append(({ buffer.copyBytes(from: source) }, answer))
    }

    func write(offset: UInt64, from buffer: UnsafeRawBufferPointer, _ answer: RemoteAnswer) {
        let target = UnsafeMutableRawBufferPointer(
            rebasing: bytes[Int(offset)...].prefix(buffer.count))
        asked.append(({ target.copyBytes(from: buffer) }, answer))
    }
}
