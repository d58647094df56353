import BlockHost
import Glibc

// Copying between guest addresses and a buffer of the host's: what is memory is copied, what is a
// device is called.
extension MemoryMap {
    /// Copies `count` bytes from `address` on to `target`. Stops at the first byte that cannot be
    /// read.
    func read(
        at address: GuestAddress, into target: UnsafeMutableRawPointer, count: Int
    ) throws(GuestMemoryError) {
        try visit(at: address, count: count) {
            (range, offset, done, length) throws(GuestMemoryError) in
            if range.pointee.host != nil {
                try range.pointee.access(length, at: offset) {
                    VolatileMemory.copy(to: target + done, from: $0, count: $1)
                }
            } else {
                try MMIOAccess(range, at: address &+ UInt64(done))
                    .read(into: target + done, count: length)
            }
        }
    }

    /// Copies `count` bytes from `source` to `address` on and marks the pages written. Writes to
    /// ROM are lost. Stops at the first byte that cannot be written.
    func write(
        at address: GuestAddress, from source: UnsafeRawPointer, count: Int
    ) throws(GuestMemoryError) {
        try visit(at: address, count: count) {
            (range, offset, done, length) throws(GuestMemoryError) in
            switch range.pointee.kind {
            case .ram:
                try range.pointee.write(length, at: offset) {
                    VolatileMemory.copy(to: $0, from: source + done, count: $1)
                }
            case .rom, .hole: break
            case .romDevice, .mmio, .remote:
                try MMIOAccess(range, at: address &+ UInt64(done))
                    .write(from: source + done, count: length)
            }
        }
    }

    /// The same with one byte for all.
    func fill(at address: GuestAddress, with byte: UInt8, count: UInt64) throws(GuestMemoryError) {
        if count > 0, address.advanced(by: count - 1) == nil {
            throw GuestMemoryError(.addressWraps, at: address)
        }
        var address = address
        var left = count
        while left > 0 {
            let step = Int(Swift.min(left, 1 << 30))
            try visit(at: address, count: step) {
                (range, offset, done, length) throws(GuestMemoryError) in
                switch range.pointee.kind {
                case .ram:
                    try range.pointee.write(length, at: offset) {
                        VolatileMemory.fill($0, with: byte, count: $1)
                    }
                case .rom, .hole: break
                case .romDevice, .mmio, .remote:
                    try MMIOAccess(range, at: address &+ UInt64(done)).fill(byte, count: length)
                }
            }
            address &+= UInt64(step)
            left -= UInt64(step)
        }
    }

    /// Calls `body` for each range under the bytes: the range, where in it, how many bytes came
    /// before and how many there are.
    @inline(__always)
    private func visit(
        at address: GuestAddress, count: Int,
        _ body: (UnsafePointer<FlatRange>, UInt64, Int, Int) throws(GuestMemoryError) -> Void
    ) throws(GuestMemoryError) {
        guard count > 0 else { return }
        if address.advanced(by: UInt64(count - 1)) == nil {
            throw GuestMemoryError(.addressWraps, at: address)
        }
        var done = 0
        while done < count {
            let place = address &+ UInt64(done)
            guard let range = range(at: place) else { throw GuestMemoryError(.hole, at: place) }
            let rest = range.pointee.last.offset(from: place)
            let length = rest >= UInt64(count - done) ? count - done : Int(rest) + 1
            try body(range, place.offset(from: range.pointee.first), done, length)
            done += length
        }
    }
}

extension FlatRange {
    /// Has `body` write `length` bytes from `offset` on, and marks the pages.
    @inline(__always)
    fileprivate func write(
        _ length: Int, at offset: UInt64,
        _ body: (UnsafeMutableRawPointer, Int) -> VolatileMemory.Outcome
    ) throws(GuestMemoryError) {
        // Also where not all of it is there: the pages before have been written.
        defer {
            log?._withUnsafeGuaranteedRef {
                $0.mark(offset: logOffset + Int(truncatingIfNeeded: offset), length: length)
            }
        }
        try access(length, at: offset, body)
    }

    /// Has `body` copy `length` bytes from `offset` on, from the first to the last; throws when the
    /// memory has become too short for them, with the address of the first that is not there.
    ///
    /// What is lost is left out, and looked for again afterwards: the copy may be of zeroes that have
    /// taken the place of a page in the meantime.
    @inline(__always)
    func access(
        _ length: Int, at offset: UInt64,
        _ body: (UnsafeMutableRawPointer, Int) -> VolatileMemory.Outcome
    ) throws(GuestMemoryError) {
        guard let host else { return }
        let start = host + Int(truncatingIfNeeded: offset)
        guard let watch else {
            _ = body(start, length)
            return
        }
        let outcome = body(start, watch.intact(start, length))
        let intact = watch.intact(start, length)
        if outcome == .lost || intact < length {
            throw .lost(at: first &+ offset &+ UInt64(intact))
        }
    }
}

extension GuestMemoryError {
    /// Memory that other processes have taken away, as the kernel says it.
    static func lost(at address: GuestAddress) -> Self { Self(.system, at: address, errno: EFAULT) }
}

/// An access to the registers of a device, divided into the widths that it takes.
private struct MMIOAccess {
    private let region: MappedRegion
    private let device: any MMIODevice
    private let address: GuestAddress

    init(_ range: UnsafePointer<FlatRange>, at address: GuestAddress) throws(GuestMemoryError) {
        let region = range.pointee.region.takeUnretainedValue()
        if region.region.kind == .remote { throw GuestMemoryError(.remote, at: address) }
        guard let device = region.region.device else { throw GuestMemoryError(.hole, at: address) }
        if let reentrancy = region.region.reentrancy, reentrancy.isEntered {
            throw GuestMemoryError(.reentrant, at: address)
        }
        self.region = region
        self.device = device
        self.address = address
    }

    func read(into target: UnsafeMutableRawPointer, count: Int) throws(GuestMemoryError) {
        try divide(count) { (place, offset, done, width) throws(GuestMemoryError) in
            guard let value = device.read(offset: offset, width: width) else {
                throw GuestMemoryError(.deviceRefused, at: place)
            }
            withUnsafeBytes(of: value.littleEndian) {
                (target + done).copyMemory(from: $0.baseAddress!, byteCount: width)
            }
        }
    }

    func write(from source: UnsafeRawPointer, count: Int) throws(GuestMemoryError) {
        try divide(count) { (place, offset, done, width) throws(GuestMemoryError) in
            var value: UInt64 = 0
            withUnsafeMutableBytes(of: &value) {
                $0.baseAddress!.copyMemory(from: source + done, byteCount: width)
            }
            guard device.write(offset: offset, width: width, value: UInt64(littleEndian: value))
            else { throw GuestMemoryError(.deviceRefused, at: place) }
        }
    }

    func fill(_ byte: UInt8, count: Int) throws(GuestMemoryError) {
        try divide(count) { (place, offset, _, width) throws(GuestMemoryError) in
            let value = UInt64(byte) &* 0x0101_0101_0101_0101
            let mask = UInt64.max >> UInt64(64 - 8 * width)
            guard device.write(offset: offset, width: width, value: value & mask)
            else { throw GuestMemoryError(.deviceRefused, at: place) }
        }
    }

    private func divide(
        _ count: Int, _ body: (GuestAddress, UInt64, Int, Int) throws(GuestMemoryError) -> Void
    ) throws(GuestMemoryError) {
        var done = 0
        while done < count {
            let place = address &+ UInt64(done)
            let offset = place.offset(from: region.base)
            var width = region.region.maximumWidth
            while width > count - done || offset & UInt64(width - 1) != 0 { width >>= 1 }
            try body(place, offset, done, width)
            done += width
        }
    }
}
