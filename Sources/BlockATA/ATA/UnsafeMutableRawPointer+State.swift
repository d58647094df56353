extension [UInt8] {
    /// The first `count` bytes at `buffer`.
    init(savedFrom buffer: UnsafeMutableRawPointer, count: Int) {
        self.init(UnsafeRawBufferPointer(start: buffer, count: count))
    }
}

extension UnsafeMutableRawPointer {
    /// Writes bytes of a saved state here.
    func load(_ data: [UInt8]) {
        data.withUnsafeBytes { bytes in
            UnsafeMutableRawBufferPointer(start: self, count: bytes.count).copyMemory(from: bytes)
        }
    }
}
