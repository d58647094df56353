import Glibc

/// CLOCK_MONOTONIC, in nanoseconds.
// Apart, so that its local variable costs its callers nothing.
@inline(never)
package func monotonicNanoseconds() -> UInt64 {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return UInt64(bitPattern: Int64(now.tv_sec &* 1_000_000_000 &+ now.tv_nsec))
}
