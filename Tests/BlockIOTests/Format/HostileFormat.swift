import BlockIO

/// A format of one file that answers what a test wants.
final class HostileFormat: ImageFormat {
    let files: [HostFile]
    let size: UInt64 = 1 << 20
    let capabilities: BlockImage.Capabilities = [.write, .flush, .durableWrite, .discard, .resize]
    let hasChangedMetadata: Bool
    private let answers: @Sendable (FormatQuestion) -> FormatAnswer

    /// The step counts the questions about a stretch.
    init(
        _ files: [HostFile], hasChangedMetadata: Bool = false,
        _ answers: @escaping @Sendable (FormatQuestion) -> FormatAnswer
    ) {
        self.files = files
        self.hasChangedMetadata = hasChangedMetadata
        self.answers = answers
    }

    func answer(_ question: inout FormatQuestion) -> FormatAnswer {
        defer { question.step += 1 }
        return answers(question)
    }

    func abandon(_ question: FormatQuestion) {}
}
