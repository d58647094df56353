import BlockIO
import Glibc

/// Asserts the rule of statx(2), STATX_DIOALIGN, on what an engine is given, since the kernel does
/// not always: tmpfs accepts anything, some devices accept pieces inside a page.
struct AlignmentChecker: SubmissionDecorator {
    let image: BlockImage

    func passage(of asked: AskedSubmission) -> Passage {
        check(asked.submission, of: image.files[asked.file])
        return .asked
    }

    private func check(_ submission: EngineSubmission, of host: HostFile) {
        guard submission.kind == .read || submission.kind == .write else { return }
        let alignment = host.alignment
        let offsetMask = UInt64(alignment.offset - 1)
        var sum: UInt64 = 0
        var isRight = submission.position & offsetMask == 0 && submission.list.count >= 1
        isRight = isRight && submission.list.count <= 1024 && submission.length <= 0x7fff_f000
        for element in submission.list {
            if element.length == 0 { continue }
            let address = element.address
            isRight = isRight && address & UInt(alignment.memory - 1) == 0
            isRight = isRight && UInt64(element.length) & offsetMask == 0
            sum += UInt64(element.length)
        }
        isRight = isRight && sum == submission.length
        if submission.kind == .write { isRight = isRight && submission.position + sum <= host.size }
        precondition(
            isRight,
            "an engine was given \(submission.kind) of \(submission.list.count) elements, "
                + "\(submission.length) bytes at \(submission.position), which offends \(alignment) or the "
                + "file's size \(host.size)")
    }
}
