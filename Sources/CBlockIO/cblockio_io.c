#define _GNU_SOURCE
#include "cblockio_io.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

int64_t cbio_preadv(int fd, const struct iovec *iov, uint32_t count, uint64_t offset) {
    // The kernel has less to fetch and to check.
    ssize_t moved = count == 1 ? pread(fd, iov->iov_base, iov->iov_len, (off_t)offset)
                               : preadv2(fd, iov, (int)count, (off_t)offset, 0);
    return moved < 0 ? -errno : moved;
}

int64_t cbio_pwritev(
    int fd, const struct iovec *iov, uint32_t count, uint64_t offset, bool durable) {
    ssize_t moved = count == 1 && !durable
        ? pwrite(fd, iov->iov_base, iov->iov_len, (off_t)offset)
        : pwritev2(fd, iov, (int)count, (off_t)offset, durable ? RWF_DSYNC : 0);
    return moved < 0 ? -errno : moved;
}

int64_t cbio_fdatasync(int fd) { return fdatasync(fd) < 0 ? -errno : 0; }

int64_t cbio_punch_hole(int fd, uint64_t offset, uint64_t length) {
    int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    return fallocate(fd, mode, (off_t)offset, (off_t)length) < 0 ? -errno : 0;
}

int64_t cbio_zero_range(int fd, uint64_t offset, uint64_t length) {
    int mode = FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE;
    return fallocate(fd, mode, (off_t)offset, (off_t)length) < 0 ? -errno : 0;
}

int64_t cbio_device_discard(int fd, uint64_t offset, uint64_t length) {
    uint64_t range[2] = {offset, length};
    return ioctl(fd, BLKDISCARD, range) < 0 ? -errno : 0;
}

int64_t cbio_device_zero(int fd, uint64_t offset, uint64_t length) {
    uint64_t range[2] = {offset, length};
    return ioctl(fd, BLKZEROOUT, range) < 0 ? -errno : 0;
}

int64_t cbio_truncate(int fd, uint64_t length) {
    return ftruncate(fd, (off_t)length) < 0 ? -errno : 0;
}

int64_t cbio_read_nowait(int fd, void *buffer, uint64_t length, uint64_t offset) {
    struct iovec iov = {buffer, length};
    ssize_t moved = preadv2(fd, &iov, 1, (off_t)offset, RWF_NOWAIT);
    return moved < 0 ? -errno : moved;
}

int cbio_futex_wait(const uint32_t *word, uint32_t expected, int64_t nanoseconds) {
    struct timespec limit = {nanoseconds / 1000000000, nanoseconds % 1000000000};
    long result = syscall(
        SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, nanoseconds < 0 ? NULL : &limit, NULL, 0);
    return result < 0 ? -errno : 0;
}

void cbio_futex_advance(uint32_t *word) { __atomic_add_fetch(word, 1, __ATOMIC_RELEASE); }

void cbio_futex_wake(const uint32_t *word, int count) {
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

uint32_t cbio_futex_read(const uint32_t *word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }

_Thread_local uintptr_t cbio_thread_number;

uintptr_t cbio_number_thread(void) {
    static _Atomic uintptr_t last;
    return cbio_thread_number = atomic_fetch_add(&last, 1) + 1;
}

int cbio_eventfd(void) {
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

void cbio_eventfd_signal(int fd) {
    // Fails only with EAGAIN, when the counter is at its limit and the descriptor is readable.
    (void)!eventfd_write(fd, 1);
}

void cbio_eventfd_clear(int fd) {
    eventfd_t value;
    (void)!eventfd_read(fd, &value);
}

int cbio_timer(void) {
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

void cbio_timer_set(int fd, int64_t nanoseconds) {
    const struct itimerspec setting = {
        .it_value = {nanoseconds / 1000000000, nanoseconds % 1000000000}};
    timerfd_settime(fd, 0, &setting, NULL);
}

int cbio_wait_readable(int fd, int64_t nanoseconds) {
    struct pollfd entry = {.fd = fd, .events = POLLIN};
    struct timespec limit = {nanoseconds / 1000000000, nanoseconds % 1000000000};
    int ready = ppoll(&entry, 1, nanoseconds < 0 ? NULL : &limit, NULL);
    return ready < 0 ? -errno : ready;
}
