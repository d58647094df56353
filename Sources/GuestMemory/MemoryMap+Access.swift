import BlockHost
import Glibc

// Copies between guest addresses and a buffer of the host: memory is copied, a device is called.
extension MemoryMap {
    /// Fills `buffer` with the bytes that begin at `address`. Stops at the first byte that cannot
    /// be read.
    func read(
        at address: GuestAddress, into buffer: UnsafeMutableRawBufferPointer
    ) throws(GuestMemoryError) {
        guard let target = buffer.baseAddress else { return }
        try visit(at: address, count: buffer.count) {
            (range, offset, done, length) throws(GuestMemoryError) in
            if unsafe range.pointee.host != nil {
                unsafe try range.pointee.access(length, at: offset) {
                    unsafe VolatileMemory.copy(to: target + done, from: $0, count: $1)
                }
            } else {
                unsafe try MMIOAccess(range, at: address &+ UInt64(done))
                    .read(into: target + done, count: length)
            }
        }
    }

    /// Copies `buffer` to the bytes that begin at `address`, and marks the pages that it writes.
    /// Writes to ROM are lost. Stops at the first byte that cannot be written.
    func write(
        at address: GuestAddress, from buffer: UnsafeRawBufferPointer
    ) throws(GuestMemoryError) {
        guard let source = buffer.baseAddress else { return }
        try visit(at: address, count: buffer.count) {
            (range, offset, done, length) throws(GuestMemoryError) in
            switch range.pointee.kind {
            case .ram:
                unsafe try range.pointee.write(length, at: offset) {
                    unsafe VolatileMemory.copy(to: $0, from: source + done, count: $1)
                }
            case .rom, .hole: break
            case .romDevice, .mmio, .remote:
                unsafe try MMIOAccess(range, at: address &+ UInt64(done))
                    .write(from: source + done, count: length)
            }
        }
    }

    /// Writes `count` bytes of the value `byte`, under the rules of ``write(at:from:)``.
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
                    unsafe try range.pointee.write(length, at: offset) {
                        unsafe VolatileMemory.fill($0, with: byte, count: $1)
                    }
                case .rom, .hole: break
                case .romDevice, .mmio, .remote:
                    try MMIOAccess(range, at: address &+ UInt64(done)).fill(
                        byte, count: length)
                }
            }
            address &+= UInt64(step)
            left -= UInt64(step)
        }
    }

    /// Calls `body` for each range that holds some of the bytes: with the range, the offset in it,
    /// how many bytes were visited before, and how many are in this range.
    @inline(__always)
    private func visit(
        at address: GuestAddress, count: Int,
        _ body: (FlatRangePointer, UInt64, Int, Int) throws(GuestMemoryError) -> Void
    ) throws(GuestMemoryError) {
        guard count > 0 else { return }
        if address.advanced(by: UInt64(count - 1)) == nil {
            throw GuestMemoryError(.addressWraps, at: address)
        }
        var done = 0
        while done < count {
            let place = address &+ UInt64(done)
            guard let range = range(at: place) else {
                throw GuestMemoryError(.hole, at: place)
            }
            let rest = range.pointee.last.offset(from: place)
            let length = rest >= UInt64(count - done) ? count - done : Int(rest) + 1
            try body(range, place.offset(from: range.pointee.first), done, length)
            done += length
        }
    }
}

extension FlatRange {
    /// Calls `body` to write the `length` bytes that begin at `offset`, and marks their pages.
    @inline(__always)
    fileprivate func write(
        _ length: Int, at offset: UInt64,
        _ body: (UnsafeMutableRawPointer, Int) -> VolatileMemory.Outcome
    ) throws(GuestMemoryError) {
        // Also when some of the memory is lost: the pages before have been written.
        defer {
            log?.with {
                $0.mark(offset: logOffset + Int(truncatingIfNeeded: offset), length: length)
            }
        }
        unsafe try access(length, at: offset, body)
    }

    /// Calls `body` to copy the `length` bytes that begin at `offset`, from the first to the last.
    /// Throws the address of the first byte that is lost, if the memory has become shorter.
    ///
    /// Lost bytes are not copied. The loss is looked up again after the copy, because a page of
    /// zeroes may have taken the place of a lost page in the meantime.
    @inline(__always)
    func access(
        _ length: Int, at offset: UInt64,
        _ body: (UnsafeMutableRawPointer, Int) -> VolatileMemory.Outcome
    ) throws(GuestMemoryError) {
        guard let host = unsafe host else { return }
        let start = unsafe host + Int(truncatingIfNeeded: offset)
        guard let watch else {
            _ = unsafe body(start, length)
            return
        }
        let outcome = unsafe body(start, watch.intact(start, length))
        let intact = unsafe watch.intact(start, length)
        if outcome == .lost || intact < length {
            throw .lost(at: first &+ offset &+ UInt64(intact))
        }
    }
}

extension GuestMemoryError {
    /// The error for memory that other processes have taken away: EFAULT, as from the kernel.
    static func lost(at address: GuestAddress) -> Self { Self(.system, at: address, errno: EFAULT) }
}
