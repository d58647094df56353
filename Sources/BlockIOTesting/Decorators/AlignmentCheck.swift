import BlockIO

/// Checks the engine submissions of a queue against the alignment of its image.
struct AlignmentCheck: EngineDecorator {
    func decorate(_ base: any OpenEngine, of image: BlockImage) -> any OpenEngine {
        EngineBox(DecoratedEngine(base, AlignmentChecker(image: image)))
    }
}
