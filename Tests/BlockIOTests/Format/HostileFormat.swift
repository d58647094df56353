import BlockIO

/// A format of one file that answers what a test wants.
final class HostileFormat: ImageFormat {
    let files: [HostFile]
    let size: UInt64 = 1 << 20
    let capabilities: BlockImage.Capabilities = [.write, .flush, .durableWrite, .discard, .resize]
    let hasChangedMetadata: Bool
    private let answers: @Sendable (FormatQuestion) -> FormatAnswer
    private let abandoned: @Sendable (FormatQuestion) -> Void

    /// The step counts the questions about a stretch.
    init(
        _ files: [HostFile], hasChangedMetadata: Bool = false,
        abandoned: @escaping @Sendable (FormatQuestion) -> Void = { _ in },
        _ answers: @escaping @Sendable (FormatQuestion) -> FormatAnswer
    ) {
        self.files = files
        self.hasChangedMetadata = hasChangedMetadata
        self.answers = answers
        self.abandoned = abandoned
    }

    func answer(_ question: inout FormatQuestion) -> FormatAnswer {
        defer { question.step += 1 }
        return answers(question)
    }

    func abandon(_ question: FormatQuestion) { abandoned(question) }
}
