import Glibc

/// The time of CLOCK_MONOTONIC, in nanoseconds.
// Not inlined, so that callers need no stack space for the timespec.
@inline(never)
package func monotonicNanoseconds() -> UInt64 {
    var now = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &now)
    return UInt64(bitPattern: Int64(now.tv_sec &* 1_000_000_000 &+ now.tv_nsec))
}
