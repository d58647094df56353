import Glibc

/// CLOCK_MONOTONIC, clock_gettime(2): no system call on usual machines.
package enum MonotonicClock {
    package static var nanoseconds: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }
}

/// Processor time of all threads of this process, getrusage(2): the kernel's io_uring workers are
/// among them; a loop device's or a compressed disk's own kernel threads are not.
package enum ProcessorTime {
    package static var nanoseconds: UInt64 {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return usage.ru_utime.nanoseconds + usage.ru_stime.nanoseconds
    }
}

extension timeval {
    fileprivate var nanoseconds: UInt64 {
        UInt64(tv_sec) * 1_000_000_000 + UInt64(tv_usec) * 1000
    }
}
