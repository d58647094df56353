// What makes a process a hostile place to live in: forbidden system calls, exhausted contexts.
//
// Most of it cannot be undone; it is meant for processes that were made to be thrown away.
#ifndef CTS_HOSTILE_H
#define CTS_HOSTILE_H

#include <stdbool.h>
#include <stdint.h>

/// What to forbid.
enum cts_forbidden {
    CTS_FORBID_IO_URING,
    CTS_FORBID_IO_URING_ENTER,
    CTS_FORBID_IO_URING_REGISTER,
    CTS_FORBID_AIO,
    CTS_FORBID_IO_URING_SUBMISSION,
    CTS_FORBID_MEMBARRIER,
};

/// From now on a system call answers `error` to every thread of the process: io_uring_setup(2),
/// io_uring_enter(2), io_uring_register(2), io_setup(2) or membarrier(2); for
/// CTS_FORBID_IO_URING_SUBMISSION, io_uring_enter(2) only where it would submit anything. It is a seccomp(2) filter. Returns 0 or -errno.
int cts_forbid(enum cts_forbidden what, int error);

/// io_setup(2) until the system has no more to give, and once more for whatever was given back
/// since the last call. The contexts go when the process does. Returns how many requests it took
/// this time.
int64_t cts_aio_exhaust(void);

/// Gives up the privileges of root, which is above some limits. 0 or -errno.
int cts_become_nobody(void);

/// Lets the process make no thread (RLIMIT_NPROC; without privileges), or as many as before. 0 or
/// -errno.
int cts_limit_threads(bool none);

/// Lets no file of the process become longer (RLIMIT_FSIZE), with SIGXFSZ ignored. 0 or -errno.
int cts_limit_file_size(uint64_t bytes);

/// Whether a thread of this process is in io_uring_enter(2) or io_getevents(2), where it sleeps.
bool cts_waits_for_completions(int thread);

/// The process is killed when the thread that made it ends.
int cts_die_with_parent(void);

#endif
