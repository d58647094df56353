// Child processes that inherit nothing but the descriptors they are given.
#ifndef CTS_PROCESS_H
#define CTS_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/// pipe2(2), close-on-exec: ends[0] is read from, ends[1] written to.
int cts_pipe(int ends[2]);

/// posix_spawn(3) of `path` with `input`, `output` and `error` as descriptors 0, 1 and 2
/// (-1: /dev/null), every other descriptor closed, and default signal handling. `own_session`
/// keeps the signals of the terminal's foreground group away from it. Returns the process id.
pid_t cts_spawn(
    const char *path, char *const arguments[], char *const environment[], int input, int output,
    int error, bool own_session);

/// Limits the size that files may reach by writes of a child, for good: RLIMIT_FSIZE.
int cts_limit_file_size_of(pid_t child, uint64_t limit);

/// fork(2): 0 in the child, which has only the thread that called. The child's id or -errno.
pid_t cts_fork(void);

/// Waits for a child: its exit status, or 256 + the signal that ended it.
int cts_wait(pid_t child);

/// Waits until `fd` can be read without blocking (data, end of file or an error): 1, or 0 after
/// `milliseconds`.
int cts_wait_readable(int fd, int milliseconds);

/// pthread_getattr_np(3): the size in bytes of the calling thread's stack, or 0.
size_t cts_stack_size(void);

#endif
