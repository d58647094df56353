import BlockIO
import BlockIOTesting

extension QueueOptions {
    /// With the alignment of every engine submission checked, and below that the faults that there are.
    func checked(with faults: FaultInjector? = nil) -> QueueOptions {
        decorated(by: [.alignmentChecked] + (faults.map { [.faults($0)] } ?? []))
    }
}
