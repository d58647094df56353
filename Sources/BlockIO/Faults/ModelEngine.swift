import CBlockIO
import Glibc

/// Runs requests on a ``VolatileDisk``, in random order, some at each visit.
struct ModelEngine: ~Copyable, Engine {
    private let disk: VolatileDisk
    private var waiting: [(request: RequestPointer, sequence: UInt64)] = []
    let descriptor: CInt

    init(_ disk: VolatileDisk, image: BlockImage) throws(BlockError) {
        self.disk = disk
        descriptor = cbio_eventfd()
        if descriptor < 0 {
            throw BlockError(.system, errno: -descriptor, operation: .open, image: image.path)
        }
    }

    var inFlight: Int { waiting.count }
    var wakeEvent: WakeEvent { .descriptor(descriptor) }

    mutating func submit(_ pending: inout RequestFIFO, finished: inout RequestFIFO) {
        while let request = pending.popFirst() {
            request.operation.pointee.is_pending = false
            waiting.append((request, disk.sequence))
        }
        if !waiting.isEmpty { cbio_eventfd_signal(descriptor) }
    }

    mutating func reap(
        minimum: Int, limit: WaitLimit, pending: inout RequestFIFO, finished: inout RequestFIFO
    ) -> WaitEnd {
        submit(&pending, finished: &finished)
        if waiting.isEmpty && minimum > 0 {
            _ = cbio_wait_readable(descriptor, limit.rawNanoseconds)
        }
        cbio_eventfd_clear(descriptor)
        let least = min(minimum, waiting.count)
        let count = waiting.isEmpty ? 0 : max(least, disk.random(below: waiting.count + 1))
        for _ in 0..<count {
            let (request, sequence) = waiting.remove(at: disk.random(below: waiting.count))
            request.pointee.result = perform(request.pointee.engine, sequence)
            finished.append(request)
        }
        if !waiting.isEmpty { cbio_eventfd_signal(descriptor) }
        return .normal
    }

    mutating func cancel(_ request: RequestPointer) {}

    mutating func shutDown() { close(descriptor) }

    private func perform(_ order: EngineOrder, _ sequence: UInt64) -> Int64 {
        switch order.operation {
        case .read: return disk.read(order)
        case .write: return disk.write(order)
        case .synchronize:
            disk.flush(through: sequence)
            return 0
        default: return -Int64(EOPNOTSUPP)
        }
    }
}
