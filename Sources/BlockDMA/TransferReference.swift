public import GuestMemory

// @usableFromInline: inlinable code of HostRequest has one.
/// A transfer under way, without a count of references: its mapper keeps it until it is done.
///
/// `@safe`, because whoever has one drops it with the step `DMAStep.done(_:)` of the transfer.
@safe @usableFromInline package struct TransferReference: Equatable {
    @usableFromInline let reference: Unmanaged<DMATransfer>

    /// Names `transfer`, which its mapper keeps until it is done.
    @unsafe @inlinable package init(_ transfer: DMATransfer) {
        unsafe reference = unsafe .passUnretained(transfer)
    }

    /// The transfer.
    var transfer: DMATransfer { unsafe reference.takeUnretainedValue() }

    /// Calls `body` with the transfer, which must not be done before the last use of it.
    @inlinable
    @inline(__always)
    func with<Result>(_ body: (DMATransfer) -> Result) -> Result {
        unsafe reference._withUnsafeGuaranteedRef { body($0) }
    }

    /// Whether both are the same transfer.
    @usableFromInline package static func == (one: Self, other: Self) -> Bool {
        unsafe one.reference.toOpaque() == other.reference.toOpaque()
    }
}
