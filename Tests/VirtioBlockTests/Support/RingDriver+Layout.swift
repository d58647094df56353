import GuestMemory
import VirtioBlock

@testable import TestSupport

extension RingDriver {
    /// Where the ring is, for the device.
    var layout: VirtqueueLayout {
        VirtqueueLayout(
            size: size, descriptors: GuestAddress(base), available: GuestAddress(available),
            used: GuestAddress(used))
    }
}
