import BlockIO
import Glibc

/// Checks the operations of a queue against the alignment of its image.
struct AlignmentCheck: EngineDecorator {
    func decorate(_ base: any OpenEngine, of image: BlockImage) -> any OpenEngine {
        EngineBox(DecoratedEngine(base, AlignmentChecker(image: image)))
    }
}

/// Asserts the rule of statx(2), STATX_DIOALIGN, on what an engine is given, since the kernel does
/// not always: tmpfs accepts anything, some devices accept pieces inside a page.
struct AlignmentChecker: OperationDecorator {
    let image: BlockImage

    func passage(of operation: AskedOperation) -> Passage {
        check(operation.order)
        return .asked
    }

    private func check(_ order: EngineOrder) {
        guard order.operation == .read || order.operation == .write else { return }
        let alignment = image.alignment
        let offsetMask = UInt64(alignment.offset - 1)
        var sum: UInt64 = 0
        var isRight = order.position & offsetMask == 0 && order.vectorCount >= 1
        isRight = isRight && order.vectorCount <= 1024 && order.length <= 0x7fff_f000
        for index in 0..<Int(order.vectorCount) {
            let element = order.vectors![index]
            if element.iov_len == 0 { continue }
            let address = UInt(bitPattern: element.iov_base)
            isRight = isRight && address & UInt(alignment.memory - 1) == 0
            isRight = isRight && UInt64(element.iov_len) & offsetMask == 0
            sum += UInt64(element.iov_len)
        }
        isRight = isRight && sum == order.length
        if order.operation == .write { isRight = isRight && order.position + sum <= image.fileSize }
        precondition(
            isRight,
            "an engine was given \(order.operation) of \(order.vectorCount) elements, "
                + "\(order.length) bytes at \(order.position), which offends \(alignment) or the "
                + "file's size \(image.fileSize)")
    }
}
