import BenchSupport

extension Host {
    /// "host: Intel Xeon, 2 processors, 8 GiB of memory, Linux 6.18.1 x86_64".
    var summary: String {
        let count = processors == 1 ? "1 processor" : "\(processors) processors"
        return "host: \(processor), \(count), \(ByteSize.amount(UInt64(memory))) of memory, "
            + "Linux \(kernel) \(machine)"
    }
}
