#define _GNU_SOURCE
#include "cblockio_uring.h"

#include <errno.h>
#include <liburing.h>
#include <linux/fs.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

// Later than liburing 2.3: Linux 6.15.
enum { OP_READV_FIXED = 60, OP_WRITEV_FIXED = 61 };

struct cbio_uring {
    struct io_uring ring;
    bool registered_files;
    bool has_one_file;
    bool registered_ring;
    bool polls_device;
    bool has_thread;  // a thread of the kernel takes the entries: SQPOLL
    bool has_vectored_fixed;
    pid_t owner;  // the thread that registered the ring
    // Registered memory, by address.
    struct iovec *regions;
    uint32_t region_count;
    uint32_t last_region;  // where the latest transfer was
    // By direction, for one buffer and for a list: see `head_of`. For the first file.
    uint64_t single_heads[2];
    uint64_t list_heads[2];
    struct {
        // Its index among the registered files, or its descriptor.
        int number;
        // Of entries for its transfers.
        uint8_t flags;
    } files[];
};

// The first eight bytes of an entry, the same for all requests of a kind: opcode, flags, no I/O
// priority, and the file.
static uint64_t head_of(const struct cbio_uring *self, uint8_t opcode, uint8_t file) {
    const struct io_uring_sqe sqe = {
        .opcode = opcode,
        .flags = self->files[file].flags,
        .fd = self->files[file].number,
    };
    uint64_t head;
    memcpy(&head, &sqe, sizeof head);
    return head;
}

static int set_up(
    struct cbio_uring *self, uint32_t entries, unsigned flags, uint32_t thread_idle) {
    struct io_uring_params params;
    memset(&params, 0, sizeof params);
    params.flags = flags;
    params.sq_thread_idle = thread_idle;
    return io_uring_queue_init_params(entries, &self->ring, &params);
}

int cbio_uring_create(
    struct cbio_uring **out, const int *fds, const bool *blocks, uint32_t count,
    struct cbio_uring_setup setup) {
    // TASKRUN_FLAG makes pending completions visible in the ring's flags, so that looking for
    // completions enters the kernel only when there are some. DEFER_TASKRUN is Linux 6.1,
    // SINGLE_ISSUER 6.0; a kernel answers EINVAL to a flag that it does not know.
    static const unsigned owner_flags[] = {
        IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
        IORING_SETUP_SINGLE_ISSUER,
        0,
    };
    static const unsigned shared_flags[] = {0};
    // The kernel's thread submits: neither flag goes with it.
    const bool has_thread = setup.submission_thread_idle > 0;
    const bool is_owned = setup.single_owner && !has_thread;
    const unsigned *flags = is_owned ? owner_flags : shared_flags;
    const size_t choices = is_owned ? 3 : 1;
    const unsigned wanted = IORING_SETUP_CLAMP | (has_thread ? IORING_SETUP_SQPOLL : 0) |
        (setup.polls_device ? IORING_SETUP_IOPOLL : 0);

    struct cbio_uring *self = calloc(1, sizeof *self + count * sizeof self->files[0]);
    if (!self) return -ENOMEM;
    int error = -EINVAL;
    for (size_t i = 0; i < choices && error == -EINVAL; i++) {
        // The ring belongs to the thread that enables it, not to the one that creates it.
        unsigned disabled = flags[i] & IORING_SETUP_SINGLE_ISSUER ? IORING_SETUP_R_DISABLED : 0;
        error = set_up(
            self, setup.entries, flags[i] | disabled | wanted, setup.submission_thread_idle);
    }
    if (error < 0) {
        free(self);
        return error;
    }
    self->polls_device = setup.polls_device;
    self->has_thread = has_thread;
    self->has_one_file = count == 1;
    self->registered_files = io_uring_register_files(&self->ring, fds, count) == 0;
    for (uint32_t i = 0; i < count; i++) {
        self->files[i].number = self->registered_files ? (int)i : fds[i];
        self->files[i].flags = (uint8_t)((self->registered_files ? IOSQE_FIXED_FILE : 0) |
            (blocks[i] ? IOSQE_ASYNC : 0));
    }
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
    free(self->regions);
    free(self);
}

// Whether the kernel has an operation.
static bool has_operation(struct cbio_uring *self, uint8_t operation) {
    enum { OPERATIONS = 256 };
    struct io_uring_probe *probe =
        calloc(1, sizeof *probe + OPERATIONS * sizeof(struct io_uring_probe_op));
    if (!probe) return false;
    const bool is_there = io_uring_register_probe(&self->ring, probe, OPERATIONS) == 0 &&
        operation <= probe->last_op &&
        (probe->ops[operation].flags & IO_URING_OP_SUPPORTED);
    free(probe);
    return is_there;
}

int cbio_uring_register_memory(
    struct cbio_uring *self, const struct iovec *regions, uint32_t count) {
    if (self->region_count) {
        int error = io_uring_unregister_buffers(&self->ring);
        if (error < 0) return error;
        self->region_count = 0;
    }
    if (count == 0) return 0;
    struct iovec *copy = realloc(self->regions, count * sizeof *copy);
    if (!copy) return -ENOMEM;
    memcpy(copy, regions, count * sizeof *copy);
    self->regions = copy;
    int error = io_uring_register_buffers(&self->ring, copy, count);
    if (error < 0) return error;
    self->region_count = count;
    self->last_region = 0;
    self->has_vectored_fixed = has_operation(self, OP_WRITEV_FIXED);
    return 0;
}

struct cbio_uring_features cbio_uring_features(const struct cbio_uring *self) {
    return (struct cbio_uring_features){
        .single_issuer = self->ring.flags & IORING_SETUP_SINGLE_ISSUER,
        .defer_taskrun = self->ring.flags & IORING_SETUP_DEFER_TASKRUN,
        .registered_files = self->registered_files,
        .registered_ring = self->registered_ring,
        .vectored_registered_memory = self->has_vectored_fixed,
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

bool cbio_uring_is_posted(const struct cbio_uring *self) { return io_uring_cq_ready(&self->ring); }

bool cbio_uring_has_more(const struct cbio_uring *self) {
    return cbio_uring_has_unposted(self) || cbio_uring_is_posted(self);
}

bool cbio_uring_look(const struct cbio_uring *self, uint32_t rounds) {
    for (; rounds > 0; rounds--) {
        if (cbio_uring_has_more(self)) return true;
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        __asm__ volatile("isb");
#endif
    }
    return false;
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
    sqe->buf_index = 0;
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

// The index of the region that a buffer is in; -1 if it is in none.
static int region_of(struct cbio_uring *self, const struct iovec *buffer) {
    const uintptr_t start = (uintptr_t)buffer->iov_base;
    uint32_t low = 0, high = self->region_count, index = self->last_region;
    while (low < high) {
        const struct iovec *region = &self->regions[index];
        const uintptr_t base = (uintptr_t)region->iov_base;
        if (start < base) {
            high = index;
        } else if (start - base < region->iov_len) {
            self->last_region = index;
            return buffer->iov_len <= region->iov_len - (start - base) ? (int)index : -1;
        } else {
            low = index + 1;
        }
        index = low + (high - low) / 2;
    }
    return -1;
}

// Has a transfer use registered memory if all of its memory is in one region.
static void use_region(
    struct cbio_uring *self, struct io_uring_sqe *sqe, const struct cbio_submission *submission) {
    const bool is_single = submission->vector_count == 1;
    sqe->buf_index = 0;
    if (!is_single && !self->has_vectored_fixed) return;
    const int region = region_of(self, &submission->vectors[0]);
    if (region < 0) return;
    for (uint16_t i = 0; i < submission->vector_count; i++) {
        const struct iovec *vector = &submission->vectors[i];
        // The kernel answers EFAULT to an empty element of registered memory, and to no other.
        if (vector->iov_len == 0 || region_of(self, vector) != region) return;
    }
    const bool is_write = submission->kind == CBIO_WRITE;
    sqe->buf_index = (uint16_t)region;
    if (is_single)
        sqe->opcode = is_write ? IORING_OP_WRITE_FIXED : IORING_OP_READ_FIXED;
    else
        sqe->opcode = is_write ? OP_WRITEV_FIXED : OP_READV_FIXED;
}

// Compiled twice: with one file and no registered memory an entry needs no look at either.
static inline __attribute__((always_inline)) uint32_t prepare_all(
    struct cbio_uring *self, struct cbio_submission *first, uint32_t limit,
    struct cbio_submission **behind, const bool is_plain) {
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
            if (!is_plain) {
                sqe->fd = self->files[first->file].number;
                sqe->flags = self->files[first->file].flags;
                if (self->region_count) use_region(self, sqe, first);
            }
        } else if (first->kind == CBIO_SYNC && !self->polls_device) {
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
    const bool is_plain = self->has_one_file && !self->region_count;
    return is_plain ? prepare_all(self, first, limit, behind, true)
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

// Wakes the kernel's thread for entries that it cannot see yet. Once it can, they are its own, also when a
// system call is refused: so a refusal has to come before. Returns 0 or -errno.
static __attribute__((noinline)) int wake_thread(struct cbio_uring *self) {
    const struct io_uring_sq *const sq = &self->ring.sq;
    const unsigned count = sq->sqe_tail - *sq->ktail;
    if (count == 0 || !(IO_URING_READ_ONCE(*sq->kflags) & IORING_SQ_NEED_WAKEUP)) return 0;
    // The number of entries is for a seccomp filter only.
    int result = io_uring_enter(
        (unsigned)self->ring.ring_fd, count, 0, IORING_ENTER_SQ_WAKEUP, NULL);
    return result < 0 ? result : 0;
}

// What comes before entries are shown to the kernel. Returns 0 or -errno.
static inline int begin_submission(struct cbio_uring *self) {
    return self->has_thread ? wake_thread(self) : 0;
}

int cbio_uring_submit(struct cbio_uring *self) {
    int error = begin_submission(self);
    return error < 0 ? error : io_uring_submit(&self->ring);
}

int cbio_uring_make_room(struct cbio_uring *self) {
    int taken = cbio_uring_submit(self);
    return taken < 0 ? taken : io_uring_sqring_wait(&self->ring);
}

int cbio_uring_post(struct cbio_uring *self) { return io_uring_get_events(&self->ring); }

// A wait with a limit, which the kernel does not look at while it polls a device.
static int poll_device(struct cbio_uring *self, uint32_t minimum, int64_t nanoseconds) {
    struct io_uring *ring = &self->ring;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    const int64_t end = now.tv_sec * 1000000000 + now.tv_nsec + nanoseconds;
    int taken = io_uring_submit_and_get_events(ring);
    while (taken >= 0 && io_uring_cq_ready(ring) < minimum) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (now.tv_sec * 1000000000 + now.tv_nsec >= end) break;
        int error = io_uring_get_events(ring);
        if (error < 0) return error;
    }
    return taken;
}

// Kept apart, so that the usual wait has no frame for it.
static __attribute__((noinline)) int wait_with_limit(
    struct cbio_uring *self, uint32_t minimum, int64_t nanoseconds) {
    if (self->polls_device) return poll_device(self, minimum, nanoseconds);
    struct __kernel_timespec limit = {nanoseconds / 1000000000, nanoseconds % 1000000000};
    struct io_uring_cqe *first;
    int result = io_uring_submit_and_wait_timeout(&self->ring, &first, minimum, &limit, NULL);
    return result == -ETIME ? 0 : result;
}

// What a wait without a limit answers that ended with too few completions. The kernel answers EINTR only if the
// call has taken no entry and no completion is there.
static __attribute__((noinline)) int ended_early(struct cbio_uring *self, int taken) {
    // Nor does it wait if it has not taken all. And a wait that polls the device can end early by itself.
    if (taken < 0 || cbio_uring_unsubmitted(self) > 0 || self->polls_device) return taken;
    return -EINTR;
}

static __attribute__((noinline)) int visit(struct cbio_uring *self) {
    struct io_uring *ring = &self->ring;
    // Under DEFER_TASKRUN completions are posted only when their owner enters the kernel.
    if (cbio_uring_has_unposted(self) || self->polls_device)
        return io_uring_submit_and_get_events(ring);
    return io_uring_sq_ready(ring) ? io_uring_submit(ring) : 0;
}

int cbio_uring_submit_and_wait(struct cbio_uring *self, uint32_t minimum, int64_t nanoseconds) {
    int error = begin_submission(self);
    if (error < 0) return error;
    if (minimum == 0 || nanoseconds == 0) return visit(self);
    if (nanoseconds > 0) return wait_with_limit(self, minimum, nanoseconds);
    int taken = io_uring_submit_and_wait(&self->ring, minimum);
    return io_uring_cq_ready(&self->ring) >= minimum ? taken : ended_early(self, taken);
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
    // The kernel's thread may be reading, or yet read, whatever it can see.
    const unsigned head =
        self->has_thread ? *sq->ktail : io_uring_smp_load_acquire(sq->khead);
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
    // The kernel's thread takes them all, when it gets to them.
    return self->has_thread ? 0 : io_uring_sq_ready(&self->ring);
}
