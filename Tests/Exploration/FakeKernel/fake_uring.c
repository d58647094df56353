// io_uring as liburing 2.3 shows it: the library's functions on rings in plain memory.
#define _GNU_SOURCE
#include <errno.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "fake_internal.h"

/// A descriptor that the ring polls.
struct poll {
    bool is_armed;
    int fd;
    uint64_t user_data;
};

struct ring {
    struct ring *next;
    unsigned sq_head, sq_tail, sq_flags, sq_dropped;
    unsigned cq_head, cq_tail, cq_flags, cq_overflow;
    unsigned sq_mask, cq_mask, sq_entries, cq_entries;
    struct io_uring_sqe *sqes;
    struct io_uring_cqe *cqes;
    /// Completions that the completion ring had no room for, oldest first.
    struct io_uring_cqe overflow[64];
    unsigned overflow_count;
    /// Completions that have been posted, for want of room too.
    unsigned posted;
    bool is_deferred;
    /// Something has ended, which the owner has to enter the kernel to get.
    bool has_work;
    /// Stands for the ring: readable while there are completions, unless they are deferred.
    int fd;
    int event_fd;
    struct poll poll;
};

static struct ring *rings;
static bool is_late;

void fake_uring_set_late(bool late) { is_late = late; }

static struct ring *ring_of(const struct io_uring *ring) { return ring->sq.ring_ptr; }

static unsigned power_of_two(unsigned value) {
    unsigned power = 1;
    while (power < value) power *= 2;
    return power;
}

int io_uring_queue_init_params(
    unsigned entries, struct io_uring *out, struct io_uring_params *parameters) {
    struct ring *ring = calloc(1, sizeof *ring);
    if (!ring) return -ENOMEM;
    ring->sq_entries = power_of_two(entries);
    ring->cq_entries = 2 * ring->sq_entries;
    ring->sq_mask = ring->sq_entries - 1;
    ring->cq_mask = ring->cq_entries - 1;
    ring->sqes = calloc(ring->sq_entries, sizeof *ring->sqes);
    ring->cqes = calloc(ring->cq_entries, sizeof *ring->cqes);
    ring->is_deferred = parameters->flags & IORING_SETUP_DEFER_TASKRUN;
    ring->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ring->event_fd = -1;
    if (!ring->sqes || !ring->cqes || ring->fd < 0) abort();
    ring->next = rings;
    rings = ring;

    memset(out, 0, sizeof *out);
    out->sq.khead = &ring->sq_head;
    out->sq.ktail = &ring->sq_tail;
    out->sq.kflags = &ring->sq_flags;
    out->sq.kdropped = &ring->sq_dropped;
    out->sq.sqes = ring->sqes;
    out->sq.ring_mask = ring->sq_mask;
    out->sq.ring_entries = ring->sq_entries;
    out->sq.ring_ptr = ring;
    out->cq.khead = &ring->cq_head;
    out->cq.ktail = &ring->cq_tail;
    out->cq.kflags = &ring->cq_flags;
    out->cq.koverflow = &ring->cq_overflow;
    out->cq.cqes = ring->cqes;
    out->cq.ring_mask = ring->cq_mask;
    out->cq.ring_entries = ring->cq_entries;
    out->flags = parameters->flags;
    out->features = IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE |
        IORING_FEAT_EXT_ARG;
    parameters->features = out->features;
    parameters->sq_entries = ring->sq_entries;
    parameters->cq_entries = ring->cq_entries;
    out->ring_fd = ring->fd;
    out->enter_ring_fd = ring->fd;
    return 0;
}

void io_uring_queue_exit(struct io_uring *out) {
    struct ring *ring = ring_of(out);
    struct ring **place = &rings;
    while (*place != ring) place = &(*place)->next;
    *place = ring->next;
    fake_forget(ring);
    close(ring->fd);
    free(ring->sqes);
    free(ring->cqes);
    free(ring);
}

static void post(struct ring *ring, uint64_t user_data, int32_t result) {
    const struct io_uring_cqe cqe = {.user_data = user_data, .res = result};
    if (ring->overflow_count > 0 || ring->cq_tail - ring->cq_head == ring->cq_entries) {
        // IORING_FEAT_NODROP: kept until the next io_uring_enter(2) that asks for completions.
        if (ring->overflow_count == sizeof ring->overflow / sizeof ring->overflow[0]) abort();
        ring->overflow[ring->overflow_count++] = cqe;
        ring->sq_flags |= IORING_SQ_CQ_OVERFLOW;
    } else {
        ring->cqes[ring->cq_tail & ring->cq_mask] = cqe;
        __atomic_store_n(&ring->cq_tail, ring->cq_tail + 1, __ATOMIC_RELEASE);
    }
    ring->posted++;
    fake_signal(ring->event_fd);
}

/// Moves what has found no room to the completion ring, as far as there is room now.
static void flush_overflow(struct ring *ring) {
    unsigned moved = 0;
    while (moved < ring->overflow_count && ring->cq_tail - ring->cq_head < ring->cq_entries)
        ring->cqes[ring->cq_tail++ & ring->cq_mask] = ring->overflow[moved++];
    ring->overflow_count -= moved;
    memmove(
        ring->overflow, ring->overflow + moved, ring->overflow_count * sizeof ring->overflow[0]);
    if (ring->overflow_count == 0) ring->sq_flags &= ~(unsigned)IORING_SQ_CQ_OVERFLOW;
}

void fake_uring_complete(const struct fake_flight *flight, int64_t result) {
    for (struct ring *ring = rings; ring; ring = ring->next)
        if (ring == flight->ring) post(ring, flight->user_data, (int32_t)result);
}

/// Something has ended. As in the kernel, only the first of several is signalled.
static void defer(struct ring *ring) {
    if (ring->has_work) return;
    ring->has_work = true;
    ring->sq_flags |= IORING_SQ_TASKRUN;
    fake_signal(ring->event_fd);
}

/// At the end of a visit of the owner that began when so many had been posted. As in the kernel, a visit that
/// finds nothing to do leaves the flag as it is.
static void end_visit(struct ring *ring, unsigned posted) {
    if (!ring->is_deferred || (!ring->has_work && ring->posted == posted)) return;
    ring->has_work = false;
    if (!is_late) {
        ring->sq_flags &= ~(unsigned)IORING_SQ_TASKRUN;
    } else {
        // What said so before its work was done comes to set the flag now.
        ring->sq_flags |= IORING_SQ_TASKRUN;
        fake_signal(ring->event_fd);
    }
}

/// Looks at the descriptor that a ring polls.
static void look(struct ring *ring) {
    if (!ring->poll.is_armed || !fake_is_readable(ring->poll.fd)) return;
    ring->poll.is_armed = false;
    post(ring, ring->poll.user_data, 1);
}

void fake_uring_look(void) {
    for (struct ring *ring = rings; ring; ring = ring->next) {
        if (!ring->is_deferred) {
            look(ring);
        } else if (ring->poll.is_armed && fake_is_readable(ring->poll.fd)) {
            defer(ring);
        }
    }
}

void fake_uring_publish(void) {
    for (struct ring *ring = rings; ring; ring = ring->next) {
        if (!ring->is_deferred) continue;
        defer(ring);
        return;
    }
    if (rings) fake_deliver();
}

void fake_uring_refresh(void) {
    fake_uring_look();
    for (struct ring *ring = rings; ring; ring = ring->next) {
        if (ring->is_deferred) continue;
        if (ring->cq_head != ring->cq_tail) {
            fake_signal(ring->fd);
        } else {
            uint64_t value;
            (void)!read(ring->fd, &value, sizeof value);
        }
    }
}

// MARK: Submission

static void begin(struct ring *ring, const struct io_uring_sqe *sqe) {
    struct fake_operation operation = {.is_direct = true, .position = sqe->off};
    struct fake_flight *flight;
    switch (sqe->opcode) {
        case IORING_OP_NOP: return post(ring, sqe->user_data, 0);
        case IORING_OP_POLL_ADD:
            if (ring->poll.is_armed) abort();
            ring->poll = (struct poll){true, sqe->fd, sqe->user_data};
            return look(ring);
        case IORING_OP_ASYNC_CANCEL:
            flight = fake_find(ring, sqe->addr);
            if (flight) fake_hooks->cancel(flight);
            return post(ring, sqe->user_data, flight ? 0 : -ENOENT);
        case IORING_OP_READ:
        case IORING_OP_READV: operation.kind = FAKE_READ; break;
        case IORING_OP_WRITE:
        case IORING_OP_WRITEV: operation.kind = FAKE_WRITE; break;
        case IORING_OP_FSYNC: operation.kind = FAKE_SYNC; break;
        default:
            fprintf(stderr, "the fake io_uring does not know operation %d\n", sqe->opcode);
            abort();
    }
    flight = fake_take_off(ring, sqe->user_data, -1);
    if (sqe->opcode == IORING_OP_READ || sqe->opcode == IORING_OP_WRITE) {
        flight->single = (struct iovec){(void *)(uintptr_t)sqe->addr, sqe->len};
        operation.vectors = &flight->single;
        operation.vector_count = 1;
    } else if (operation.kind != FAKE_SYNC) {
        operation.vectors = (void *)(uintptr_t)sqe->addr;
        operation.vector_count = sqe->len;
    }
    operation.is_durable = operation.kind == FAKE_WRITE && (sqe->rw_flags & RWF_DSYNC);
    for (uint32_t i = 0; i < operation.vector_count; i++)
        operation.length += operation.vectors[i].iov_len;
    fake_hooks->begin(flight, &operation);
}

/// io_uring_enter(2) without a wait: how many entries were taken, or -errno.
static int submit(struct io_uring *out) {
    struct ring *ring = ring_of(out);
    __atomic_store_n(&ring->sq_tail, out->sq.sqe_tail, __ATOMIC_RELEASE);
    out->sq.sqe_head = out->sq.sqe_tail;
    const int offered = (int)(ring->sq_tail - ring->sq_head);
    if (offered == 0) return 0;
    const int taken = fake_hooks ? fake_hooks->accept(offered) : offered;
    if (taken == 0) return -EAGAIN;
    for (int i = 0; i < taken; i++) begin(ring, &ring->sqes[ring->sq_head++ & ring->sq_mask]);
    return taken;
}

int io_uring_submit(struct io_uring *out) {
    const int taken = submit(out);
    // Some may be done before the call returns.
    if (taken > 0 && fake_hooks && fake_hooks->in_flight() > 0) {
        fake_hooks->end(0, fake_hooks->in_flight());
        fake_deliver();
    }
    return taken;
}

/// With IORING_ENTER_GETEVENTS. Taken entries, or -errno of the submission or of the wait.
static int enter(struct io_uring *out, unsigned wanted, int64_t nanoseconds, const char *call) {
    struct ring *ring = ring_of(out);
    const int offered = (int)(out->sq.sqe_tail - ring->sq_head);
    const int taken = submit(out);
    const unsigned posted = ring->posted;
    flush_overflow(ring);
    look(ring);
    fake_deliver();
    const unsigned present = ring->cq_tail - ring->cq_head;
    int answer = 0;
    // Nor does the kernel wait when it has not taken all.
    if (taken == offered && present < wanted)
        answer = fake_wait((int)(wanted - present), nanoseconds, call);
    end_visit(ring, posted);
    return answer < 0 && taken == 0 ? answer : taken;
}

int io_uring_get_events(struct io_uring *out) {
    struct ring *ring = ring_of(out);
    const unsigned posted = ring->posted;
    flush_overflow(ring);
    look(ring);
    fake_deliver();
    end_visit(ring, posted);
    return 0;
}

int io_uring_submit_and_wait(struct io_uring *out, unsigned wanted) {
    return enter(out, wanted, -1, "io_uring_enter(2)");
}

int io_uring_submit_and_get_events(struct io_uring *out) {
    return enter(out, 0, -1, "io_uring_enter(2)");
}

int io_uring_submit_and_wait_timeout(
    struct io_uring *out, struct io_uring_cqe **first, unsigned wanted,
    struct __kernel_timespec *limit, sigset_t *signals) {
    (void)signals;
    *first = NULL;
    return enter(
        out, wanted, limit->tv_sec * 1000000000 + limit->tv_nsec, "io_uring_enter(2) with a limit");
}

// MARK: Registration

int io_uring_register_files(struct io_uring *out, const int *files, unsigned count) {
    (void)out, (void)files, (void)count;
    return 0;
}

int io_uring_unregister_files(struct io_uring *out) {
    (void)out;
    return 0;
}

int io_uring_register_eventfd(struct io_uring *out, int fd) {
    ring_of(out)->event_fd = fd;
    return 0;
}

int io_uring_register_ring_fd(struct io_uring *out) {
    (void)out;
    return 1;
}

int io_uring_register(unsigned fd, unsigned opcode, const void *argument, unsigned count) {
    (void)fd, (void)argument, (void)count;
    if (opcode != IORING_REGISTER_ENABLE_RINGS) abort();
    return 0;
}

int io_uring_register_probe(struct io_uring *out, struct io_uring_probe *probe, unsigned count) {
    (void)out;
    probe->last_op = IORING_OP_LAST - 1;
    for (unsigned i = 0; i < count && i < IORING_OP_LAST; i++)
        probe->ops[i].flags = IO_URING_OP_SUPPORTED;
    return 0;
}

/// What io_uring_wait_cqe(3) calls when the ring is empty.
int __io_uring_get_cqe(
    struct io_uring *out, struct io_uring_cqe **cqe, unsigned submitted, unsigned wanted,
    sigset_t *signals) {
    (void)submitted, (void)signals;
    struct ring *ring = ring_of(out);
    const int answer = enter(out, wanted, -1, "io_uring_enter(2)");
    if (ring->cq_head == ring->cq_tail) return answer < 0 ? answer : -EAGAIN;
    *cqe = &ring->cqes[ring->cq_head & ring->cq_mask];
    return 0;
}
