import Glibc

// For descriptors that a device reads once into memory of its own.
extension DMAMapper {
    /// Copies what the device sees from `address` on into `buffer`, under the rules of a transfer:
    /// through the resolvers, and refused where it would lead back into the device. It needs
    /// bounce buffers only if a resolver changes the data.
    ///
    /// Throws when not all of it can be read; `buffer` is undefined then.
    public func read(
        at address: UInt64, into buffer: UnsafeMutableRawBufferPointer
    ) throws(GuestMemoryError) {
        try core.read(at: address, into: buffer, through: self)
    }
}

extension MapperCore {
    fileprivate func read(
        at address: UInt64, into buffer: UnsafeMutableRawBufferPointer, through mapper: DMAMapper
    ) throws(GuestMemoryError) {
        guard let base = buffer.baseAddress else { return }
        if resolvers.isEmpty {
            reentrancy?.enter()
            defer { reentrancy?.leave() }
            try space.read(at: address, into: buffer)
            return
        }
        let mapping = try mapper.map(address: address, length: UInt64(buffer.count), .toDevice)
        var done = 0
        for vector in mapping.vectors {
            if let memory = vector.iov_base { memcpy(base + done, memory, vector.iov_len) }
            done += vector.iov_len
        }
    }
}
