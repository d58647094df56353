/// An access to the registers of a device, divided into the widths that it takes.
struct MMIOAccess {
    private let region: MappedRegion
    private let device: any MMIODevice
    private let address: GuestAddress

    init(_ range: FlatRangePointer, at address: GuestAddress) throws(GuestMemoryError) {
        let region = range.pointee.region.object
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
            unsafe withUnsafeBytes(of: value.littleEndian) {
                unsafe UnsafeMutableRawBufferPointer(start: target + done, count: width)
                    .copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[..<width]))
            }
        }
    }

    func write(from source: UnsafeRawPointer, count: Int) throws(GuestMemoryError) {
        try divide(count) { (place, offset, done, width) throws(GuestMemoryError) in
            var value: UInt64 = 0
            unsafe withUnsafeMutableBytes(of: &value) {
                unsafe $0.copyMemory(
                    from: UnsafeRawBufferPointer(start: source + done, count: width))
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
