import Glibc

extension Descriptor {
    /// Writes zeros over `size` bytes of the file, which may be open for direct I/O, and cuts it
    /// off there.
    ///
    /// Merely allocated blocks read as zeros without any I/O, and so ext4 lets direct reads of them
    /// be misaligned; written blocks behave like those of a file in use.
    func writeZeros(size: Int) throws {
        let pageSize = 4096
        let roundedSize = (size + pageSize - 1) / pageSize * pageSize
        let chunk = UnsafeMutableRawBufferPointer.allocate(
            byteCount: min(roundedSize, 1 << 20), alignment: pageSize)
        defer { chunk.deallocate() }
        chunk.initializeMemory(as: UInt8.self, repeating: 0)

        var offset = 0
        while offset < roundedSize {
            let length = min(chunk.count, roundedSize - offset)
            let count = pwrite(raw, chunk.baseAddress, length, offset)
            if count < 0, errno == EINTR { continue }
            try SystemCall.check(SystemCall.result(Int32(count)), "writing zeros at \(offset)")
            offset += count
        }
        try SystemCall.check(SystemCall.result(ftruncate(raw, size)), "ftruncate")
    }
}
