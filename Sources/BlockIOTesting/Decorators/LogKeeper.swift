import BlockIO

/// Writes engine submissions down and changes nothing.
struct LogKeeper: SubmissionDecorator {
    let log: SubmissionLog

    func passage(of asked: AskedSubmission) -> Passage {
        let submission = asked.submission
        log.add(
            SubmissionLog.Entry(
                operation: asked.operation, offset: submission.position, length: submission.length,
                isDurable: submission.isDurable,
                bufferLengths: submission.list.map(\.length)))
        return .asked
    }
}
