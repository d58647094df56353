import BlockHost
import Glibc

/// Memory that a ring keeps mapped, as the kernel takes it: sorted by address, in regions of at most 1 GiB.
///
/// Safe, because only addresses are looked at. Whoever registers the memory promises that it stays.
@safe struct RegisteredMemory {
    /// The most bytes that the kernel takes in one region.
    static let largestRegion = 1 << 30
    /// The most regions that the kernel takes.
    static let mostRegions = 16384

    private let regions: [iovec]

    /// `nil` when parts overlap, or there are more than the kernel takes.
    init?(_ memory: [UnsafeMutableRawBufferPointer]) {
        var regions = unsafe [iovec]()
        var end: UInt = 0
        let parts = unsafe memory.sorted {
            UInt(bitPattern: $0.baseAddress) < UInt(bitPattern: $1.baseAddress)
        }
        for index in unsafe parts.indices {
            let part = unsafe parts[index]
            guard let base = part.baseAddress, part.count > 0 else { continue }
            guard UInt(bitPattern: base) >= end else { return nil }
            end = UInt(bitPattern: base) + UInt(part.count)
            for offset in stride(from: 0, to: part.count, by: Self.largestRegion) {
                let length = min(Self.largestRegion, part.count - offset)
                unsafe regions.append(iovec(iov_base: base + offset, iov_len: length))
            }
        }
        if unsafe regions.count > Self.mostRegions { return nil }
        unsafe self.regions = regions
    }

    func withRegions<Result>(_ body: (UnsafeBufferPointer<iovec>) -> Result) -> Result {
        unsafe regions.withUnsafeBufferPointer { unsafe body($0) }
    }

    /// Why the kernel refused, with what an administrator can do.
    static func refusal(errno: CInt) -> String {
        switch errno {
        case ENOMEM:
            "the memory is more than the process may lock (RLIMIT_MEMLOCK); an administrator can "
                + "raise that limit"
        case EFAULT: "a part of the memory is not mapped, or cannot be written"
        case EOPNOTSUPP: "a part of the memory is a file whose pages cannot be kept in memory"
        default: "io_uring_register(2) failed: \(errnoText(errno))"
        }
    }
}
