#define _GNU_SOURCE
#include "cblockio_uring.h"

#include <errno.h>
#include <liburing.h>
#include <linux/fs.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

struct cbio_uring {
    struct io_uring ring;
    bool registered_files;
    bool has_one_file;
    bool registered_ring;
    pid_t owner;  // the thread that registered the ring
    // By direction, for one buffer and for a list: see `head_of`. For the first file.
    uint64_t single_heads[2];
    uint64_t list_heads[2];
    // By file: its index among the registered files, or its descriptor.
    int numbers[];
};

// The first eight bytes of an entry, the same for all requests of a kind: opcode, flags, no I/O
// priority, and the file.
static uint64_t head_of(const struct cbio_uring *self, uint8_t opcode, uint8_t file) {
    const struct io_uring_sqe sqe = {
        .opcode = opcode,
        .flags = self->registered_files ? IOSQE_FIXED_FILE : 0,
        .fd = self->numbers[file],
    };
    uint64_t head;
    memcpy(&head, &sqe, sizeof head);
    return head;
}

static int set_up(struct cbio_uring *self, uint32_t entries, unsigned flags) {
    struct io_uring_params params;
    memset(&params, 0, sizeof params);
    params.flags = flags;
    return io_uring_queue_init_params(entries, &self->ring, &params);
}

int cbio_uring_create(
    struct cbio_uring **out, const int *fds, uint32_t count, uint32_t entries, bool single_owner) {
    // TASKRUN_FLAG makes pending completions visible in the ring's flags, so that looking for
    // completions enters the kernel only when there are some. DEFER_TASKRUN is Linux 6.1,
    // SINGLE_ISSUER 6.0; a kernel answers EINVAL to a flag that it does not know.
    static const unsigned owner_flags[] = {
        IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
        IORING_SETUP_SINGLE_ISSUER,
        0,
    };
    static const unsigned shared_flags[] = {0};
    const unsigned *flags = single_owner ? owner_flags : shared_flags;
    const size_t choices = single_owner ? 3 : 1;

    struct cbio_uring *self = calloc(1, sizeof *self + count * sizeof self->numbers[0]);
    if (!self) return -ENOMEM;
    int error = -EINVAL;
    for (size_t i = 0; i < choices && error == -EINVAL; i++) {
        // The ring belongs to the thread that enables it, not to the one that creates it.
        unsigned disabled = flags[i] & IORING_SETUP_SINGLE_ISSUER ? IORING_SETUP_R_DISABLED : 0;
        error = set_up(self, entries, flags[i] | disabled | IORING_SETUP_CLAMP);
    }
    if (error < 0) {
        free(self);
        return error;
    }
    self->has_one_file = count == 1;
    self->registered_files = io_uring_register_files(&self->ring, fds, count) == 0;
    for (uint32_t i = 0; i < count; i++) self->numbers[i] = self->registered_files ? (int)i : fds[i];
    self->single_heads[CBIO_READ] = head_of(self, IORING_OP_READ, 0);
    self->single_heads[CBIO_WRITE] = head_of(self, IORING_OP_WRITE, 0);
    self->list_heads[CBIO_READ] = head_of(self, IORING_OP_READV, 0);
    self->list_heads[CBIO_WRITE] = head_of(self, IORING_OP_WRITEV, 0);
    *out = self;
    return 0;
}

int cbio_uring_enable(struct cbio_uring *self) {
    if (self->ring.flags & IORING_SETUP_R_DISABLED) {
        // liburing 2.3 declares io_uring_enable_rings() and does not export it.
        int error = io_uring_register(
            (unsigned)self->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
        if (error < 0) return error;
    }
    // A registered ring descriptor works on the registering thread only.
    self->registered_ring = io_uring_register_ring_fd(&self->ring) == 1;
    self->owner = gettid();
    return 0;
}

void cbio_uring_destroy(struct cbio_uring *self) {
    // The kernel frees a ring in the background. Until then it would hold the registered files, and
    // with them the image's locks and its exclusive claim on a device.
    if (self->registered_files) io_uring_unregister_files(&self->ring);
    // Registered ring descriptors are numbered per thread: on any other thread than the owner the
    // number may be that of another ring.
    if (self->registered_ring && self->owner != gettid()) self->ring.int_flags = 0;
    io_uring_queue_exit(&self->ring);
    free(self);
}

struct cbio_uring_features cbio_uring_features(const struct cbio_uring *self) {
    return (struct cbio_uring_features){
        .single_issuer = self->ring.flags & IORING_SETUP_SINGLE_ISSUER,
        .defer_taskrun = self->ring.flags & IORING_SETUP_DEFER_TASKRUN,
        .registered_files = self->registered_files,
        .registered_ring = self->registered_ring,
        .waits_with_limit = self->ring.features & IORING_FEAT_EXT_ARG,
        .submission_entries = self->ring.sq.ring_entries,
        .completion_entries = self->ring.cq.ring_entries,
    };
}

int cbio_uring_descriptor(const struct cbio_uring *self) { return self->ring.ring_fd; }

int cbio_uring_register_eventfd(struct cbio_uring *self, int event_fd) {
    return io_uring_register_eventfd(&self->ring, event_fd);
}

bool cbio_uring_has_unposted(const struct cbio_uring *self) {
    unsigned flags = IO_URING_READ_ONCE(*self->ring.sq.kflags);
    return flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW);
}

bool cbio_uring_has_more(const struct cbio_uring *self) {
    return cbio_uring_has_unposted(self) || io_uring_cq_ready(&self->ring);
}

// A request that does nothing, there and back.
static int go_round(struct cbio_uring *self) {
    struct io_uring_sqe *sqe = io_uring_get_sqe(&self->ring);
    if (!sqe) return -EBUSY;
    io_uring_prep_nop(sqe);
    int result;
    do {
        result = io_uring_submit(&self->ring);
    } while (result == -EINTR);
    if (result < 0) return result;
    struct io_uring_cqe *cqe;
    do {
        result = io_uring_wait_cqe(&self->ring, &cqe);
    } while (result == -EINTR);
    if (result == 0) io_uring_cqe_seen(&self->ring, cqe);
    return result;
}

int cbio_uring_probe(struct cbio_uring *self, const char **call) {
    static const uint8_t needed[] = {
        IORING_OP_READ, IORING_OP_WRITE, IORING_OP_READV, IORING_OP_WRITEV, IORING_OP_FSYNC,
        IORING_OP_POLL_ADD, IORING_OP_ASYNC_CANCEL,
    };
    enum { OPERATIONS = 256 };
    struct io_uring_probe *probe =
        calloc(1, sizeof *probe + OPERATIONS * sizeof(struct io_uring_probe_op));
    if (!probe) return -ENOMEM;
    *call = "io_uring_register(2)";
    int result = io_uring_register_probe(&self->ring, probe, OPERATIONS);
    for (size_t i = 0; i < sizeof needed / sizeof needed[0] && result == 0; i++)
        if (!io_uring_opcode_supported(probe, needed[i])) result = -EOPNOTSUPP;
    free(probe);
    if (result < 0) return result;
    *call = "io_uring_enter(2)";
    return go_round(self);
}

static __attribute__((noinline)) void prepare_sync(
    const struct cbio_uring *self, struct io_uring_sqe *sqe, struct cbio_submission *submission) {
    const uint64_t head = head_of(self, IORING_OP_FSYNC, submission->file);
    memcpy(sqe, &head, sizeof head);
    sqe->off = 0;
    sqe->addr = 0;
    sqe->len = 0;
    sqe->fsync_flags = IORING_FSYNC_DATASYNC;
    sqe->user_data = (uintptr_t)submission;
}

// The fields that io_uring_prep_read(3) and its like set, but for those behind user_data: the kernel
// hands out entries of zeroes, and no request of ours ever sets any.
static inline void prepare(
    const struct cbio_uring *self, struct io_uring_sqe *sqe, struct cbio_submission *submission) {
    const struct iovec *list = submission->vectors;
    sqe->off = submission->position;
    if (submission->vector_count == 1) {
        memcpy(sqe, &self->single_heads[submission->kind], sizeof self->single_heads[0]);
        sqe->addr = (uintptr_t)list->iov_base;
        sqe->len = (uint32_t)list->iov_len;
    } else {
        memcpy(sqe, &self->list_heads[submission->kind], sizeof self->list_heads[0]);
        sqe->addr = (uintptr_t)list;
        sqe->len = submission->vector_count;
    }
    sqe->rw_flags = submission->is_durable ? RWF_DSYNC : 0;
    sqe->user_data = (uintptr_t)submission;
}

// Compiled twice: with one file an entry needs no look at the submission's.
static inline __attribute__((always_inline)) uint32_t prepare_all(
    struct cbio_uring *self, struct cbio_submission *first, uint32_t limit,
    struct cbio_submission **behind, const bool has_one_file) {
    // io_uring_get_sqe(3) for many: what it asks each time does not change meanwhile.
    struct io_uring_sq *const sq = &self->ring.sq;
    struct io_uring_sqe *const entries = sq->sqes;
    const unsigned mask = sq->ring_mask;
    const unsigned start = sq->sqe_tail;
    const unsigned room = sq->ring_entries - (start - io_uring_smp_load_acquire(sq->khead));
    const unsigned end = start + (limit < room ? limit : room);
    unsigned tail = start;
    for (; first && tail != end; first = first->next) {
        if (first->kind < CBIO_SYNC) {
            struct io_uring_sqe *const sqe = &entries[tail++ & mask];
            prepare(self, sqe, first);
            if (!has_one_file) sqe->fd = self->numbers[first->file];
        } else if (first->kind == CBIO_SYNC) {
            prepare_sync(self, &entries[tail++ & mask], first);
        } else {
            break;
        }
        first->is_pending = false;
    }
    sq->sqe_tail = tail;
    *behind = first;
    return tail - start;
}

uint32_t cbio_uring_prepare(
    struct cbio_uring *self, struct cbio_submission *first, uint32_t limit,
    struct cbio_submission **behind) {
    return self->has_one_file ? prepare_all(self, first, limit, behind, true)
                              : prepare_all(self, first, limit, behind, false);
}

bool cbio_uring_prepare_wake(struct cbio_uring *self, int wake_fd) {
    struct io_uring_sqe *sqe = io_uring_get_sqe(&self->ring);
    if (!sqe) return false;
    io_uring_prep_poll_add(sqe, wake_fd, POLLIN);
    io_uring_sqe_set_data(sqe, NULL);
    return true;
}

bool cbio_uring_prepare_cancel(struct cbio_uring *self, void *tag) {
    struct io_uring_sqe *sqe = io_uring_get_sqe(&self->ring);
    if (!sqe) return false;
    io_uring_prep_cancel(sqe, tag, 0);
    io_uring_sqe_set_data(sqe, self);
    return true;
}

int cbio_uring_submit(struct cbio_uring *self) { return io_uring_submit(&self->ring); }

int cbio_uring_post(struct cbio_uring *self) { return io_uring_get_events(&self->ring); }

int cbio_uring_submit_and_wait(struct cbio_uring *self, uint32_t minimum, int64_t nanoseconds) {
    struct io_uring *ring = &self->ring;
    if (minimum == 0 || nanoseconds == 0) {
        // Under DEFER_TASKRUN completions are posted only when their owner enters the kernel.
        if (cbio_uring_has_unposted(self)) return io_uring_submit_and_get_events(ring);
        return io_uring_sq_ready(ring) ? io_uring_submit(ring) : 0;
    }
    if (nanoseconds < 0) return io_uring_submit_and_wait(ring, minimum);
    struct __kernel_timespec limit = {nanoseconds / 1000000000, nanoseconds % 1000000000};
    struct io_uring_cqe *first;
    int result = io_uring_submit_and_wait_timeout(ring, &first, minimum, &limit, NULL);
    return result == -ETIME ? 0 : result;
}

void cbio_uring_reap(struct cbio_uring *self, struct cbio_submissions *answered, bool *woken) {
    const struct io_uring_cq *const cq = &self->ring.cq;
    const struct io_uring_cqe *const entries = cq->cqes;
    const unsigned mask = cq->ring_mask;
    const unsigned start = *cq->khead;
    const unsigned end = io_uring_smp_load_acquire(cq->ktail);
    struct cbio_tail tail = cbio_tail_of(answered);
    for (unsigned index = start; index != end; index++) {
        const struct io_uring_cqe *cqe = &entries[index & mask];
        struct cbio_submission *submission = io_uring_cqe_get_data(cqe);
        // The answer to a cancel; the cancelled request has one of its own.
        if ((void *)submission == self) continue;
        if (!submission) {
            *woken = true;
            continue;
        }
        submission->result = cqe->res;
        cbio_tail_add(&tail, submission);
    }
    cbio_tail_end(answered, tail);
    // Release: the kernel may overwrite the entries once it sees the new head.
    if (start != end) io_uring_cq_advance(&self->ring, end - start);
}

uint32_t cbio_uring_withdraw(
    struct cbio_uring *self, struct cbio_submissions *answered, int error, bool *wake) {
    struct io_uring_sq *const sq = &self->ring.sq;
    const unsigned head = io_uring_smp_load_acquire(sq->khead);
    const unsigned end = sq->sqe_tail;
    uint32_t count = 0;
    for (unsigned index = head; index != end; index++) {
        struct cbio_submission *submission =
            (void *)(uintptr_t)sq->sqes[index & sq->ring_mask].user_data;
        if (!submission) *wake = true;
        // Neither that nor a cancel is an operation.
        if ((void *)submission == self || !submission) continue;
        submission->result = error;
        cbio_append(answered, submission);
        count++;
    }
    sq->sqe_head = sq->sqe_tail = head;
    io_uring_smp_store_release(sq->ktail, head);
    return count;
}

uint32_t cbio_uring_unsubmitted(const struct cbio_uring *self) {
    return io_uring_sq_ready(&self->ring);
}
