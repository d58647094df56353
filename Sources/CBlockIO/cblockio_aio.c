#define _GNU_SOURCE
#include "cblockio_aio.h"

#include <errno.h>
#include <libaio.h>
#include <linux/fs.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

// The head of the completion ring that io_setup(2) maps into the process: `struct aio_ring` of
// the kernel's fs/aio.c. The magic number and the feature bits say whether it can be read.
struct completion_ring {
    unsigned id;
    unsigned nr;
    _Atomic unsigned head;
    _Atomic unsigned tail;
    unsigned magic;
    unsigned compat_features;
    unsigned incompat_features;
    unsigned header_length;
    struct io_event events[];
};
enum { RING_MAGIC = 0xa10a10a1 };

struct cbio_aio {
    io_context_t context;
    struct completion_ring *ring;  // NULL: not readable, ask the kernel
    int event_fd;
    uint32_t capacity;
    uint32_t initialized;  // of the control blocks; the memory of the others has not been used
    struct iocb **pointers;
    struct io_event *scratch;
    struct iocb wake;
    int64_t batch;  // how many calls of cbio_aio_prepare there were
    bool has_one_file;
    int *fds;  // by file; -1: threads serve it
    struct iocb iocbs[];
};

static void free_memory(struct cbio_aio *aio) {
    free(aio->fds);
    free(aio->pointers);
    free(aio->scratch);
    free(aio);
}

// More control blocks, twice as many as there are.
static __attribute__((noinline)) void initialize_more(struct cbio_aio *aio) {
    enum { FIRST = 16 };
    uint32_t end = aio->initialized ? 2 * aio->initialized : FIRST;
    if (end > aio->capacity) end = aio->capacity;
    for (uint32_t i = aio->initialized; i < end; i++) {
        aio->pointers[i] = &aio->iocbs[i];
        aio->iocbs[i].aio_fildes = (uint32_t)aio->fds[0];
        if (aio->event_fd >= 0) io_set_eventfd(&aio->iocbs[i], aio->event_fd);
    }
    aio->initialized = end;
}

int cbio_aio_probe(void) {
    // The kernel refuses a context for no requests, but only after everything else that it may refuse.
    io_context_t context = 0;
    int error = io_setup(0, &context);
    return error == -EINVAL ? 0 : error;
}

int cbio_aio_create(
    struct cbio_aio **out, const int *fds, uint32_t count, uint32_t capacity, int event_fd) {
    struct cbio_aio *aio = calloc(1, sizeof *aio + capacity * sizeof aio->iocbs[0]);
    if (!aio) return -ENOMEM;
    aio->fds = calloc(count, sizeof *aio->fds);
    aio->pointers = calloc(capacity, sizeof *aio->pointers);
    aio->scratch = calloc(capacity, sizeof *aio->scratch);
    const bool has_memory = aio->fds && aio->pointers && aio->scratch;
    int error = has_memory ? io_setup((int)capacity + 1, &aio->context) : -ENOMEM;
    if (error < 0) {
        free_memory(aio);
        return error;
    }
    memcpy(aio->fds, fds, count * sizeof *fds);
    aio->has_one_file = count == 1;
    struct completion_ring *ring = (struct completion_ring *)aio->context;
    if (ring->magic == RING_MAGIC && ring->incompat_features == 0) aio->ring = ring;
    aio->event_fd = event_fd;
    aio->capacity = capacity;
    initialize_more(aio);
    *out = aio;
    return 0;
}

void cbio_aio_destroy(struct cbio_aio *aio) {
    io_destroy(aio->context);
    free_memory(aio);
}

static inline void prepare_sync(struct iocb *iocb, struct cbio_submission *submission) {
    iocb->data = submission;
    iocb->aio_rw_flags = 0;
    iocb->aio_lio_opcode = IO_CMD_FDSYNC;
    iocb->u.c.buf = NULL;
    iocb->u.c.nbytes = 0;
    iocb->u.c.offset = 0;
}

// What never changes was set when the block was made.
static inline void prepare(struct iocb *iocb, struct cbio_submission *submission) {
    const bool is_write = submission->kind == CBIO_WRITE;
    const struct iovec *const list = submission->vectors;
    iocb->data = submission;
    iocb->aio_rw_flags = submission->is_durable ? RWF_DSYNC : 0;
    iocb->u.c.offset = (long long)submission->position;
    if (submission->vector_count == 1) {
        iocb->aio_lio_opcode = is_write ? IO_CMD_PWRITE : IO_CMD_PREAD;
        iocb->u.c.buf = list->iov_base;
        iocb->u.c.nbytes = list->iov_len;
    } else {
        iocb->aio_lio_opcode = is_write ? IO_CMD_PWRITEV : IO_CMD_PREADV;
        iocb->u.c.buf = (void *)list;
        iocb->u.c.nbytes = submission->vector_count;
    }
}

// Compiled twice: with one file a control block needs no look at the submission's.
static inline __attribute__((always_inline)) uint32_t prepare_all(
    struct cbio_aio *aio, struct cbio_submission *first, uint32_t limit,
    struct cbio_submission **behind, const bool has_one_file) {
    const int64_t batch = aio->batch;
    uint32_t count = 0;
    for (; first && count < limit; first = first->next) {
        if (!has_one_file) {
            const int fd = aio->fds[first->file];
            if (fd < 0) break;
            aio->iocbs[count].aio_fildes = (uint32_t)fd;
        }
        if (first->kind < CBIO_SYNC)
            prepare(&aio->iocbs[count++], first);
        else if (first->kind == CBIO_SYNC)
            prepare_sync(&aio->iocbs[count++], first);
        else
            break;
        first->is_pending = false;
        // Until it is answered.
        first->result = batch;
    }
    *behind = first;
    return count;
}

uint32_t cbio_aio_prepare(
    struct cbio_aio *aio, struct cbio_submission *first, uint32_t limit,
    struct cbio_submission **behind) {
    aio->batch++;
    if (limit >= aio->initialized) {
        limit = aio->initialized;
        // The next call has room for more.
        if (limit < aio->capacity) initialize_more(aio);
    }
    return aio->has_one_file ? prepare_all(aio, first, limit, behind, true)
                             : prepare_all(aio, first, limit, behind, false);
}

int cbio_aio_arm_wake(struct cbio_aio *aio, int wake_fd) {
    io_prep_poll(&aio->wake, wake_fd, POLLIN);
    if (aio->event_fd >= 0) io_set_eventfd(&aio->wake, aio->event_fd);
    struct iocb *pointer = &aio->wake;
    int taken = io_submit(aio->context, 1, &pointer);
    return taken < 0 ? taken : 0;
}

uint32_t cbio_aio_tail(const struct cbio_aio *aio) {
    return aio->ring ? atomic_load_explicit(&aio->ring->tail, memory_order_acquire) : 0;
}

uint32_t cbio_aio_count_inline(const struct cbio_aio *aio, uint32_t start) {
    if (!aio->ring) return 0;
    const uint32_t end = cbio_aio_tail(aio), size = aio->ring->nr;
    if (start == end) return 0;
    // A call that carries out requests ends with one of its own.
    const struct cbio_submission *last = aio->ring->events[(end > 0 ? end : size) - 1].data;
    if (!last || last->result != aio->batch) return 0;
    return end > start ? end - start : end + size - start;
}

int cbio_aio_submit(struct cbio_aio *aio, uint32_t first, uint32_t count) {
    return io_submit(aio->context, (long)count, aio->pointers + first);
}

// A completion without data is the wake.
static inline void take(const struct io_event *event, struct cbio_tail *answered, bool *woken) {
    struct cbio_submission *submission = event->data;
    if (submission) {
        submission->result = (int64_t)event->res;
        cbio_tail_add(answered, submission);
    } else {
        *woken = true;
    }
}

static uint32_t take_from_ring(
    struct completion_ring *ring, struct cbio_submissions *answered, bool *woken) {
    unsigned head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    const unsigned end = atomic_load_explicit(&ring->tail, memory_order_acquire);
    const unsigned entries = ring->nr;
    struct cbio_tail tail = cbio_tail_of(answered);
    uint32_t taken = 0;
    for (; head != end; taken++) {
        take(&ring->events[head], &tail, woken);
        if (++head == entries) head = 0;
    }
    cbio_tail_end(answered, tail);
    // Release: the kernel may overwrite the entries once it sees the new head.
    if (taken) atomic_store_explicit(&ring->head, head, memory_order_release);
    return taken;
}

int cbio_aio_reap(
    struct cbio_aio *aio, struct cbio_submissions *answered, bool *woken, uint32_t minimum,
    int64_t nanoseconds) {
    if (minimum > aio->capacity) minimum = aio->capacity;
    // What is there is looked at before anything is waited for: it may be what the rest waits for.
    if (aio->ring && (take_from_ring(aio->ring, answered, woken) || minimum == 0)) return 0;
    struct timespec limit = {nanoseconds / 1000000000, nanoseconds % 1000000000};
    int more = io_getevents(
        aio->context, (long)minimum, (long)aio->capacity, aio->scratch,
        nanoseconds < 0 ? NULL : &limit);
    if (more < 0) return more;
    struct cbio_tail tail = cbio_tail_of(answered);
    for (int i = 0; i < more; i++) take(&aio->scratch[i], &tail, woken);
    cbio_tail_end(answered, tail);
    // The kernel answers EINTR to a wait only if it has found nothing.
    return nanoseconds < 0 && (uint32_t)more < minimum ? -EINTR : 0;
}
