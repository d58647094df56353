/// Puts something between the pipeline of a queue and its engine. It may change an answer, when the answer
/// comes, and whether the engine is asked at all, but never what the engine is asked.
package protocol EngineDecorator: Sendable {
    /// The engine that the pipeline is to see instead of `base`. It owns `base`, and closes it.
    func decorate(_ base: any OpenEngine, of image: BlockImage) -> any OpenEngine
}
