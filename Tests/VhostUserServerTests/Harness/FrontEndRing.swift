import CTestSupport
import Glibc
import GuestMemory

@testable import TestSupport

/// A ring of a front end: its driver and its descriptors.
final class FrontEndRing {
    private(set) var driver: RingDriver
    let kick: Descriptor
    let call: Descriptor
    let error: Descriptor

    static let size = 64

    /// Ring `index` in memory of the guest, from 10000h + 20000h x `index`. The ring of a former front end can be
    /// taken over.
    init(_ memory: GuestRAM, _ index: Int, keeping former: RingDriver? = nil) throws {
        driver = former ?? RingDriver(memory, size: Self.size, at: Self.base(index))
        kick = Descriptor(try SystemCall.check(cts_eventfd(), "eventfd"))
        call = Descriptor(try SystemCall.check(cts_eventfd(), "eventfd"))
        error = Descriptor(try SystemCall.check(cts_eventfd(), "eventfd"))
    }

    private static func base(_ index: Int) -> UInt64 { 0x1_0000 + 0x2_0000 * UInt64(index) }

    /// An empty ring at the same place.
    func clear(hasEventIndex: Bool) {
        driver = RingDriver(
            driver.ram, size: Self.size, at: driver.base, hasEventIndex: hasEventIndex)
    }

    /// Writes the kick descriptor.
    func signal() {
        var one: UInt64 = 1
        _ = write(kick.raw, &one, 8)
    }
}
