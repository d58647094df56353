#define _GNU_SOURCE
#include "cts_calls.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <libaio.h>
#include <liburing.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define REPLACED_BY_SANITIZER
#endif
#endif

/// A function of the same name in the next library.
#define NEXT(name)                                                                                 \
    static _Atomic(__typeof__(&name)) cached;                                                      \
    __typeof__(&name) next = atomic_load_explicit(&cached, memory_order_relaxed);                  \
    if (!next) {                                                                                   \
        next = (__typeof__(&name))dlsym(RTLD_NEXT, #name);                                         \
        atomic_store_explicit(&cached, next, memory_order_relaxed);                                \
    }

struct group {
    atomic_bool is_set;
    struct cts_fault fault;
    struct cts_call_counts counts;
    bool is_released;
};

static struct group groups[CTS_CALL_COUNT];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t change = PTHREAD_COND_INITIALIZER;
static atomic_bool masks_ext_arg;
static atomic_bool leaves_taskrun;

/// A ring whose kernel thread seems to take nothing. Used by one thread.
static struct {
    int64_t submissions;
    struct io_uring *ring;
    /// What the ring shows in place of the head that the kernel moves.
    unsigned shown;
    unsigned *moved;
} held_head;

static void release_head(void) {
    if (held_head.ring) held_head.ring->sq.khead = held_head.moved;
    held_head.ring = NULL;
    held_head.submissions = 0;
}

bool cts_call_is_covered(enum cts_call call) {
#ifdef REPLACED_BY_SANITIZER
    return call != CTS_CALL_READ && call != CTS_CALL_WRITE && call < CTS_CALL_CREATE_THREAD;
#else
    return call < CTS_CALL_COUNT;
#endif
}

void cts_calls_set(enum cts_call call, struct cts_fault fault) {
    pthread_mutex_lock(&lock);
    struct group *group = &groups[call];
    group->fault = fault;
    uint64_t held = group->counts.held;
    group->counts = (struct cts_call_counts){.held = held};
    group->is_released = false;
    atomic_store(&group->is_set, true);
    pthread_mutex_unlock(&lock);
}

void cts_calls_release(enum cts_call call) {
    pthread_mutex_lock(&lock);
    groups[call].is_released = true;
    pthread_cond_broadcast(&change);
    pthread_mutex_unlock(&lock);
}

void cts_calls_clear(void) {
    pthread_mutex_lock(&lock);
    for (int call = 0; call < CTS_CALL_COUNT; call++) {
        atomic_store(&groups[call].is_set, false);
        groups[call].is_released = true;
    }
    atomic_store(&masks_ext_arg, false);
    atomic_store(&leaves_taskrun, false);
    release_head();
    pthread_cond_broadcast(&change);
    pthread_mutex_unlock(&lock);
}

struct cts_call_counts cts_calls_counts(enum cts_call call) {
    pthread_mutex_lock(&lock);
    struct cts_call_counts counts = groups[call].counts;
    pthread_mutex_unlock(&lock);
    return counts;
}

void cts_calls_mask_ext_arg(bool mask) { atomic_store(&masks_ext_arg, mask); }

void cts_calls_leave_taskrun(void) { atomic_store(&leaves_taskrun, true); }

void cts_calls_hold_submission_thread(int64_t submissions) { held_head.submissions = submissions; }

/// Waits as long as the group's calls are to wait. Under the lock.
static void hold(struct group *group) {
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += group->fault.hold_milliseconds / 1000;
    end.tv_nsec += group->fault.hold_milliseconds % 1000 * 1000000;
    if (end.tv_nsec >= 1000000000) {
        end.tv_sec++;
        end.tv_nsec -= 1000000000;
    }
    group->counts.held++;
    while (!group->is_released)
        if (pthread_cond_timedwait(&change, &lock, &end) == ETIMEDOUT) break;
    group->counts.held--;
}

/// What is to happen to a call: the errno to fail with, or 0. `limit` may be NULL. A call that must
/// not wait (RWF_NOWAIT) fails with EAGAIN where others wait.
static int strike(enum cts_call call, uint64_t offset, bool may_wait, int64_t *limit) {
    struct group *group = &groups[call];
    if (!atomic_load_explicit(&group->is_set, memory_order_relaxed)) return 0;
    pthread_mutex_lock(&lock);
    int error = 0;
    struct cts_fault *fault = &group->fault;
    group->counts.calls++;
    bool is_meant = fault->start == fault->end || (offset >= fault->start && offset < fault->end);
    bool is_struck = atomic_load(&group->is_set) && is_meant && fault->count != 0;
    if (is_struck && !may_wait && fault->hold_milliseconds > 0) {
        if (!group->is_released) error = EAGAIN;
    } else if (is_struck) {
        if (fault->count > 0) fault->count--;
        group->counts.struck++;
        error = fault->error;
        if (limit && fault->limit > 0) *limit = fault->limit;
        if (fault->hold_milliseconds > 0) hold(group);
    }
    pthread_mutex_unlock(&lock);
    return error;
}

static void count_transfers(enum cts_call call, uint64_t transfers) {
    if (transfers == 0 || !atomic_load_explicit(&groups[call].is_set, memory_order_relaxed)) return;
    pthread_mutex_lock(&lock);
    groups[call].counts.transfers += transfers;
    pthread_mutex_unlock(&lock);
}

// io_uring

/// Counts the transfers among the entries that the kernel has taken since its head was `head`.
static void count_taken(const struct io_uring *ring, unsigned head) {
    uint64_t transfers = 0;
    for (unsigned end = io_uring_smp_load_acquire(ring->sq.khead); head != end; head++) {
        unsigned opcode = ring->sq.sqes[head & ring->sq.ring_mask].opcode;
        transfers += opcode == IORING_OP_READ || opcode == IORING_OP_READV ||
                     opcode == IORING_OP_WRITE || opcode == IORING_OP_WRITEV;
    }
    count_transfers(CTS_CALL_URING_SUBMIT, transfers);
}

/// At the end of a call that has completions posted.
static int visited(struct io_uring *ring, int result) {
    if (atomic_load(&leaves_taskrun) && ring->flags & IORING_SETUP_TASKRUN_FLAG)
        __atomic_fetch_or(ring->sq.kflags, IORING_SQ_TASKRUN, __ATOMIC_RELEASE);
    return result;
}

/// Before a call of io_uring_submit(3).
static void hold_head(struct io_uring *ring) {
    if (held_head.submissions == 0 || !(ring->flags & IORING_SETUP_SQPOLL)) return;
    if (!held_head.ring) {
        held_head.ring = ring;
        held_head.moved = ring->sq.khead;
        held_head.shown = __atomic_load_n(ring->sq.khead, __ATOMIC_ACQUIRE);
        ring->sq.khead = &held_head.shown;
    } else if (--held_head.submissions == 0) {
        release_head();
    }
}

#define SUBMISSION(name, ...)                                                                      \
    NEXT(name)                                                                                     \
    int error = io_uring_sq_ready(ring) > 0 ? strike(CTS_CALL_URING_SUBMIT, 0, true, NULL) : 0;          \
    if (error) return -error;                                                                      \
    unsigned head = *ring->sq.khead;                                                               \
    int result = next(__VA_ARGS__);                                                                \
    count_taken(ring, head);                                                                       \
    return result;

int io_uring_submit(struct io_uring *ring) {
    hold_head(ring);
    SUBMISSION(io_uring_submit, ring)
}

int __io_uring_sqring_wait(struct io_uring *ring) {
    NEXT(__io_uring_sqring_wait)
    if (held_head.ring == ring) release_head();
    return next(ring);
}

static int submit_and_wait(struct io_uring *ring, unsigned wait_nr) {
    SUBMISSION(io_uring_submit_and_wait, ring, wait_nr)
}

int io_uring_submit_and_wait(struct io_uring *ring, unsigned wait_nr) {
    return visited(ring, submit_and_wait(ring, wait_nr));
}

static int submit_and_wait_timeout(
    struct io_uring *ring, struct io_uring_cqe **cqe_ptr, unsigned wait_nr,
    struct __kernel_timespec *ts, sigset_t *sigmask) {
    SUBMISSION(io_uring_submit_and_wait_timeout, ring, cqe_ptr, wait_nr, ts, sigmask)
}

int io_uring_submit_and_wait_timeout(
    struct io_uring *ring, struct io_uring_cqe **cqe_ptr, unsigned wait_nr,
    struct __kernel_timespec *ts, sigset_t *sigmask) {
    return visited(ring, submit_and_wait_timeout(ring, cqe_ptr, wait_nr, ts, sigmask));
}

static int submit_and_get_events(struct io_uring *ring) {
    SUBMISSION(io_uring_submit_and_get_events, ring)
}

int io_uring_submit_and_get_events(struct io_uring *ring) {
    if (io_uring_sq_ready(ring) == 0 && strike(CTS_CALL_URING_VISIT, 0, true, NULL)) return 0;
    return visited(ring, submit_and_get_events(ring));
}

int io_uring_get_events(struct io_uring *ring) {
    NEXT(io_uring_get_events)
    if (strike(CTS_CALL_URING_VISIT, 0, true, NULL)) return 0;
    return visited(ring, next(ring));
}

int io_uring_queue_init_params(
    unsigned entries, struct io_uring *ring, struct io_uring_params *p) {
    NEXT(io_uring_queue_init_params)
    int result = next(entries, ring, p);
    if (result >= 0 && atomic_load(&masks_ext_arg)) {
        ring->features &= ~IORING_FEAT_EXT_ARG;
        p->features &= ~IORING_FEAT_EXT_ARG;
    }
    return result;
}

// libaio

int io_submit(io_context_t ctx, long nr, struct iocb *ios[]) {
    NEXT(io_submit)
    int64_t limit = nr;
    int error = strike(CTS_CALL_AIO_SUBMIT, 0, true, &limit);
    if (error) return -error;
    int result = next(ctx, limit < nr ? limit : nr, ios);
    uint64_t transfers = 0;
    for (int i = 0; i < result; i++) {
        short opcode = ios[i]->aio_lio_opcode;
        transfers += opcode == IO_CMD_PREAD || opcode == IO_CMD_PREADV ||
                     opcode == IO_CMD_PWRITE || opcode == IO_CMD_PWRITEV;
    }
    count_transfers(CTS_CALL_AIO_SUBMIT, transfers);
    return result;
}

// The C library

#define FAIL_IF_STRUCK(call, offset, flags)                                                        \
    do {                                                                                           \
        int error = strike(call, (uint64_t)(offset), !((flags) & RWF_NOWAIT), NULL);               \
        if (error) {                                                                               \
            errno = error;                                                                         \
            return -1;                                                                             \
        }                                                                                          \
    } while (0)

int fdatasync(int fd) {
    NEXT(fdatasync)
    FAIL_IF_STRUCK(CTS_CALL_FDATASYNC, 0, 0);
    return next(fd);
}

int fallocate(int fd, int mode, off_t offset, off_t length) {
    NEXT(fallocate)
    FAIL_IF_STRUCK(CTS_CALL_FALLOCATE, offset, 0);
    return next(fd, mode, offset, length);
}

int ftruncate(int fd, off_t length) {
    NEXT(ftruncate)
    FAIL_IF_STRUCK(CTS_CALL_TRUNCATE, length, 0);
    return next(fd, length);
}

#ifndef REPLACED_BY_SANITIZER

ssize_t pread(int fd, void *buffer, size_t count, off_t offset) {
    NEXT(pread)
    FAIL_IF_STRUCK(CTS_CALL_READ, offset, 0);
    return next(fd, buffer, count, offset);
}

ssize_t preadv2(int fd, const struct iovec *vectors, int count, off_t offset, int flags) {
    NEXT(preadv2)
    FAIL_IF_STRUCK(CTS_CALL_READ, offset, flags);
    return next(fd, vectors, count, offset, flags);
}

ssize_t pwrite(int fd, const void *buffer, size_t count, off_t offset) {
    NEXT(pwrite)
    FAIL_IF_STRUCK(CTS_CALL_WRITE, offset, 0);
    return next(fd, buffer, count, offset);
}

ssize_t pwritev2(int fd, const struct iovec *vectors, int count, off_t offset, int flags) {
    NEXT(pwritev2)
    FAIL_IF_STRUCK(CTS_CALL_WRITE, offset, flags);
    return next(fd, vectors, count, offset, flags);
}

int listen(int fd, int backlog) {
    NEXT(listen)
    FAIL_IF_STRUCK(CTS_CALL_LISTEN, 0, 0);
    return next(fd, backlog);
}

int accept4(int fd, struct sockaddr *address, socklen_t *size, int flags) {
    NEXT(accept4)
    FAIL_IF_STRUCK(CTS_CALL_ACCEPT, 0, 0);
    return next(fd, address, size, flags);
}

int rename(const char *from, const char *to) {
    NEXT(rename)
    FAIL_IF_STRUCK(CTS_CALL_RENAME, 0, 0);
    return next(from, to);
}

int unlink(const char *path) {
    NEXT(unlink)
    FAIL_IF_STRUCK(CTS_CALL_UNLINK, 0, 0);
    return next(path);
}

/// Whether the code at an address belongs to the same program or library as this file.
static bool is_own(const void *address) {
    Dl_info theirs, ours;
    return dladdr(address, &theirs) && dladdr((const void *)&groups, &ours) &&
           theirs.dli_fbase == ours.dli_fbase;
}

int pthread_create(
    pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument) {
    NEXT(pthread_create)
    if (is_own(__builtin_return_address(0))) {
        int error = strike(CTS_CALL_CREATE_THREAD, 0, true, NULL);
        if (error) return error;
    }
    return next(thread, attributes, start, argument);
}

#endif
