import BlockHost
import BlockIO

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
                let from = VolatileMemory.copy(to: &byte, from: element.iov_base + place, count: 1)
                guard from == .whole else { break }
                byte = ~byte
                VolatileMemory.copy(to: element.iov_base + place, from: &byte, count: 1)
                break
            }
            place -= element.iov_len
        }
        return .now
    }
}
