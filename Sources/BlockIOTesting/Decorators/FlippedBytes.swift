import BlockIO
import CBlockHost

/// Inverts one byte of what a read has brought.
struct FlippedBytes: OperationDecorator {
    let injector: FaultInjector

    var isIdle: Bool { injector.isIdle(.flippedByte) }

    func passage(of operation: AskedOperation) -> Passage {
        injector.decide(operation, .flippedByte) == nil ? .asked : .watched(mark: 0)
    }

    func takeAnswer(of operation: AskedOperation, mark: Int) -> Delivery {
        let order = operation.order
        let result = operation.request.pointee.result
        guard order.operation == .read, result > 0 else { return .now }
        var place = injector.random(below: Int(result))
        for index in 0..<Int(order.vectorCount) {
            let element = order.vectors![index]
            if place < element.iov_len {
                var byte: UInt8 = 0
                guard cblockhost_copy(&byte, element.iov_base + place, 1) else { break }
                byte = ~byte
                _ = cblockhost_copy(element.iov_base + place, &byte, 1)
                break
            }
            place -= element.iov_len
        }
        return .now
    }
}
