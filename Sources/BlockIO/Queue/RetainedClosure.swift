/// A reference to the closure of a request, without a count of its own: a slot has to be plain memory.
///
/// Safe, because the closure is retained from `init` to ``take()``, which is marked as unsafe.
@safe struct RetainedClosure {
    private let closure: Unmanaged<CompletionClosure>

    init(_ body: @escaping (BlockCompletion) -> Void) {
        unsafe closure = .passRetained(CompletionClosure(body))
    }

    /// Gives up the reference: to be called once for all copies.
    @unsafe
    func take() -> (BlockCompletion) -> Void { unsafe closure.takeRetainedValue().body }
}
