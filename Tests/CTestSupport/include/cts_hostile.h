// What makes a process a hostile place to live in: forbidden system calls, exhausted contexts.
//
// Nothing here can be undone; it is meant for processes that were made to be thrown away.
#ifndef CTS_HOSTILE_H
#define CTS_HOSTILE_H

#include <stdbool.h>
#include <stdint.h>

/// What to forbid.
enum cts_forbidden {
    CTS_FORBID_IO_URING,
    CTS_FORBID_AIO,
    CTS_FORBID_THREADS,
};

/// From now on the call that sets up a facility answers `error`: io_uring_setup(2), io_setup(2), or
/// the two that pthread_create(3) uses, clone(2) and clone3(2). It is a seccomp(2) filter, for all
/// threads of the process or for this one and those that it makes. Returns 0 or -errno.
int cts_forbid(enum cts_forbidden what, int error, bool all_threads);

/// io_setup(2) until the system has no more to give, and once more for whatever was given back
/// since the last call. The contexts go when the process does. Returns how many requests it took
/// this time.
int64_t cts_aio_exhaust(void);

/// The process is killed when the thread that made it ends.
int cts_die_with_parent(void);

#endif
