/// Holds an escaping closure, so that a slot can refer to it by one pointer.
final class CompletionClosure {
    let body: (BlockCompletion) -> Void
    init(_ body: @escaping (BlockCompletion) -> Void) { self.body = body }
}
