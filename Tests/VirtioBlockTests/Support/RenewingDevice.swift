import GuestMemory

@testable import TestSupport
@testable import VirtioBlock

/// A device of another kind in the memory of the guest. A write to it, which is the data of a request of the
/// disk, makes another request available to the disk, and notifies it.
///
/// `@unchecked`: the ring is used only by the thread that has the queue of the disk.
final class RenewingDevice: MMIODevice, @unchecked Sendable {
    static let size: UInt64 = 0x1000

    private let disk: VirtioMMIO
    private let ring: RingDriver
    /// The first descriptors of two requests that write 4 bytes to this device.
    private let heads: [UInt16]
    private let limit: Int
    private let state = Locked((writes: 0, isOn: true))

    /// How many requests have written to the device.
    var writes: Int { state.withLock { $0.writes } }

    /// Makes no more requests available from the write number `limit` on; it still notifies the disk.
    init(_ disk: VirtioMMIO, _ ring: RingDriver, heads: [UInt16], limit: Int) {
        self.disk = disk
        self.ring = ring
        self.heads = heads
        self.limit = limit
    }

    /// Makes no more requests available.
    func stop() { state.withLock { $0.isOn = false } }

    func read(offset: UInt64, width: Int) -> UInt64? { 0 }

    func write(offset: UInt64, width: Int, value: UInt64) -> Bool {
        guard offset == 0 else { return true }
        let (number, isOn) = state.withLock { state in
            state.writes += 1
            return (state.writes, state.isOn)
        }
        // The request that writes is under way: the other one can be made again, after the first two.
        if number > 1 && number < limit && isOn {
            ring.offer(heads[number % 2])
            ring.publish()
        }
        _ = disk.write(offset: 0x50, width: 4, value: 0)
        return true
    }
}
