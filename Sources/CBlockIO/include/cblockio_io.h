// Vectored I/O with flags, and eventfd(2).
#ifndef CBLOCKIO_IO_H
#define CBLOCKIO_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/// preadv2(2), pwritev2(2), for one buffer pread(2), pwrite(2), and fdatasync(2): bytes moved (0 for
/// the sync), or -errno.
/// `durable` is RWF_DSYNC: the write completes when it is on stable storage.
int64_t cbio_preadv(int fd, const struct iovec *iov, uint32_t count, uint64_t offset);
int64_t cbio_pwritev(
    int fd, const struct iovec *iov, uint32_t count, uint64_t offset, bool durable);
int64_t cbio_fdatasync(int fd);

/// fallocate(2) with FALLOC_FL_PUNCH_HOLE and FALLOC_FL_ZERO_RANGE, both with
/// FALLOC_FL_KEEP_SIZE; ioctl(2) BLKDISCARD and BLKZEROOUT; ftruncate(2). 0 or -errno.
int64_t cbio_punch_hole(int fd, uint64_t offset, uint64_t length);
int64_t cbio_zero_range(int fd, uint64_t offset, uint64_t length);
int64_t cbio_device_discard(int fd, uint64_t offset, uint64_t length);
int64_t cbio_device_zero(int fd, uint64_t offset, uint64_t length);
int64_t cbio_truncate(int fd, uint64_t length);

/// preadv2(2) of one buffer with RWF_NOWAIT: bytes, or -errno; EOPNOTSUPP or EAGAIN when the file
/// cannot be read without blocking.
int64_t cbio_read_nowait(int fd, void *buffer, uint64_t length, uint64_t offset);

/// futex(2), FUTEX_WAIT: sleeps while `*word` is `expected`, until woken, for `nanoseconds` at most
/// (negative: no limit). 0 or -errno: EAGAIN when it was not, ETIMEDOUT, EINTR after a signal,
/// which pthread_cond_wait(3) would not tell.
int cbio_futex_wait(const uint32_t *word, uint32_t expected, int64_t nanoseconds);
/// Adds 1 to `*word`.
void cbio_futex_advance(uint32_t *word);
/// futex(2), FUTEX_WAKE: wakes up to `count` that sleep on the word.
void cbio_futex_wake(const uint32_t *word, int count);
/// Reads `*word` before a look at what it announces.
uint32_t cbio_futex_read(const uint32_t *word);

/// Gives the calling thread a number.
uintptr_t cbio_number_thread(void);
extern _Thread_local uintptr_t cbio_thread_number __attribute__((tls_model("initial-exec")));

/// A number of the calling thread that no other thread of the process ever has. (One that has ended may
/// have had its pthread_self(3).)
static inline uintptr_t cbio_thread(void) {
    return cbio_thread_number ? cbio_thread_number : cbio_number_thread();
}

/// eventfd(2), close-on-exec and non-blocking: a descriptor or -errno.
int cbio_eventfd(void);
/// Adds 1 to the counter, so that the descriptor becomes readable.
void cbio_eventfd_signal(int fd);
/// Reads the counter back to 0.
void cbio_eventfd_clear(int fd);
/// timerfd_create(2), close-on-exec and non-blocking: a descriptor or -errno.
int cbio_timer(void);
/// Makes the descriptor readable after `nanoseconds`, and not before; 0 makes it quiet.
void cbio_timer_set(int fd, int64_t nanoseconds);
/// Waits in ppoll(2) until the descriptor is readable, `nanoseconds` have passed (negative: no
/// limit) or a signal came. Returns 1, 0 or -errno.
int cbio_wait_readable(int fd, int64_t nanoseconds);

#endif
