// The C library: blocking calls on the image's file, threads, and time.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "fake_internal.h"

static dev_t device;
static ino_t inode;
static int exempt = -1;

/// Nanoseconds of the clock that stands still.
static int64_t now;

/// Waits in a row in which nothing happened.
static int idle_waits;
enum { IDLE_LIMIT = 2000 };

void fake_attach(const struct fake_hooks *hooks, const char *image_path, int exempt_fd) {
    struct stat status;
    if (stat(image_path, &status) < 0) abort();
    device = status.st_dev;
    inode = status.st_ino;
    exempt = exempt_fd;
    now = 1000000000;
    idle_waits = 0;
    fake_hooks = hooks;
}

void fake_detach(void) { fake_hooks = NULL; }

static bool is_ours(int fd) {
    struct stat status;
    return fake_hooks && fd != exempt && fstat(fd, &status) == 0 && status.st_dev == device &&
        status.st_ino == inode;
}

static ssize_t answer(int64_t result) {
    if (result >= 0) return (ssize_t)result;
    errno = (int)-result;
    return -1;
}

static ssize_t transfer(
    enum fake_kind kind, int fd, const struct iovec *vectors, int count, off_t offset, int flags) {
    struct fake_operation operation = {
        .kind = kind,
        .is_durable = flags & RWF_DSYNC,
        .is_direct = fcntl(fd, F_GETFL) & O_DIRECT,
        .vectors = vectors,
        .vector_count = (uint32_t)count,
        .position = (uint64_t)offset,
    };
    for (int i = 0; i < count; i++) operation.length += vectors[i].iov_len;
    return answer(fake_hooks->perform(&operation));
}

ssize_t pread(int fd, void *buffer, size_t count, off_t offset) {
    struct iovec vector = {buffer, count};
    if (is_ours(fd)) return transfer(FAKE_READ, fd, &vector, 1, offset, 0);
    return syscall(SYS_pread64, fd, buffer, count, offset);
}

ssize_t pwrite(int fd, const void *buffer, size_t count, off_t offset) {
    struct iovec vector = {(void *)buffer, count};
    if (is_ours(fd)) return transfer(FAKE_WRITE, fd, &vector, 1, offset, 0);
    return syscall(SYS_pwrite64, fd, buffer, count, offset);
}

ssize_t preadv2(int fd, const struct iovec *vectors, int count, off_t offset, int flags) {
    if (is_ours(fd)) return transfer(FAKE_READ, fd, vectors, count, offset, flags);
    return syscall(SYS_preadv2, fd, vectors, count, offset, 0, flags);
}

ssize_t pwritev2(int fd, const struct iovec *vectors, int count, off_t offset, int flags) {
    if (is_ours(fd)) return transfer(FAKE_WRITE, fd, vectors, count, offset, flags);
    return syscall(SYS_pwritev2, fd, vectors, count, offset, 0, flags);
}

int fdatasync(int fd) {
    if (!is_ours(fd)) return (int)syscall(SYS_fdatasync, fd);
    struct fake_operation operation = {
        .kind = FAKE_SYNC, .is_direct = fcntl(fd, F_GETFL) & O_DIRECT};
    return (int)answer(fake_hooks->perform(&operation));
}

int fallocate(int fd, int mode, off_t offset, off_t length) {
    if (!is_ours(fd)) return (int)syscall(SYS_fallocate, fd, mode, offset, length);
    if (!(mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))) abort();
    struct fake_operation operation = {
        .kind = FAKE_ZERO, .position = (uint64_t)offset, .length = (uint64_t)length};
    return (int)answer(fake_hooks->perform(&operation));
}

int ftruncate(int fd, off_t length) {
    if (!is_ours(fd)) return (int)syscall(SYS_ftruncate, fd, length);
    struct fake_operation operation = {.kind = FAKE_TRUNCATE, .position = (uint64_t)length};
    return (int)answer(fake_hooks->perform(&operation));
}

// Threads would make decisions of their own.
int pthread_create(
    pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument) {
    if (fake_hooks) return EAGAIN;
    int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) =
        dlsym(RTLD_NEXT, "pthread_create");
    return real(thread, attributes, start, argument);
}

// MARK: Time

int clock_gettime(clockid_t clock, struct timespec *time) {
    if (!fake_hooks || clock != CLOCK_MONOTONIC) return (int)syscall(SYS_clock_gettime, clock, time);
    // Time that a call takes.
    now += 100;
    *time = (struct timespec){now / 1000000000, now % 1000000000};
    return 0;
}

int nanosleep(const struct timespec *span, struct timespec *rest) {
    if (!fake_hooks) return (int)syscall(SYS_nanosleep, span, rest);
    now += span->tv_sec * 1000000000 + span->tv_nsec;
    if (++idle_waits > IDLE_LIMIT) {
        idle_waits = 0;
        fake_hooks->hang("nanosleep(2) is called again and again");
    }
    return 0;
}

/// The kernel sees at once that a descriptor which a ring polls has become readable.
int eventfd_write(int fd, eventfd_t value) {
    const bool is_written = write(fd, &value, sizeof value) == sizeof value;
    if (fake_hooks) {
        fake_uring_look();
        fake_aio_look();
    }
    return is_written ? 0 : -1;
}

int ppoll(
    struct pollfd *entries, nfds_t count, const struct timespec *limit, const sigset_t *signals) {
    if (!fake_hooks) return (int)syscall(SYS_ppoll, entries, count, limit, signals, sizeof(long));
    fake_refresh();
    const struct timespec none = {0};
    int ready = (int)syscall(SYS_ppoll, entries, count, &none, NULL, sizeof(long));
    if (ready != 0) return ready;
    if (limit && ++idle_waits <= IDLE_LIMIT) {
        now += limit->tv_sec * 1000000000 + limit->tv_nsec;
        return 0;
    }
    idle_waits = 0;
    fake_hooks->hang(limit ? "ppoll(2) is called again and again" : "ppoll(2) waits for ever");
    errno = EINTR;
    return -1;
}

int fake_wait(int count, int64_t nanoseconds, const char *call) {
    if (!fake_hooks) return -EINTR;
    int under_way = fake_hooks->in_flight();
    if (under_way >= count && !(nanoseconds >= 0 && fake_hooks->passes())) {
        idle_waits = 0;
        fake_hooks->end(count, under_way);
        fake_deliver();
        return 0;
    }
    if (nanoseconds >= 0 && ++idle_waits <= IDLE_LIMIT) {
        now += nanoseconds;
        return -ETIME;
    }
    idle_waits = 0;
    char text[160];
    snprintf(
        text, sizeof text, "%s waits for %d completions more; %d operations are in flight", call, count,
        under_way);
    fake_hooks->hang(text);
    return -EINTR;
}
