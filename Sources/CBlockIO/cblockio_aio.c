#define _GNU_SOURCE
#include "cblockio_aio.h"

#include <errno.h>
#include <libaio.h>
#include <linux/fs.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
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
    int fd;
    int event_fd;
    uint32_t capacity;
    struct iocb **pointers;
    struct io_event *scratch;
    struct iocb wake;
    struct iocb iocbs[];
};

int cbio_aio_create(struct cbio_aio **out, int fd, uint32_t capacity, int event_fd) {
    struct cbio_aio *aio = calloc(1, sizeof *aio + capacity * sizeof aio->iocbs[0]);
    if (!aio) return -ENOMEM;
    aio->pointers = calloc(capacity, sizeof *aio->pointers);
    aio->scratch = calloc(capacity, sizeof *aio->scratch);
    int error = aio->pointers && aio->scratch ? io_setup((int)capacity + 1, &aio->context) : -ENOMEM;
    if (error < 0) {
        free(aio->pointers);
        free(aio->scratch);
        free(aio);
        return error;
    }
    struct completion_ring *ring = (struct completion_ring *)aio->context;
    if (ring->magic == RING_MAGIC && ring->incompat_features == 0) aio->ring = ring;
    for (uint32_t i = 0; i < capacity; i++) aio->pointers[i] = &aio->iocbs[i];
    aio->fd = fd;
    aio->event_fd = event_fd;
    aio->capacity = capacity;
    *out = aio;
    return 0;
}

void cbio_aio_destroy(struct cbio_aio *aio) {
    io_destroy(aio->context);
    free(aio->pointers);
    free(aio->scratch);
    free(aio);
}

static void finish_preparing(struct cbio_aio *aio, struct iocb *iocb, void *tag) {
    iocb->data = tag;
    if (aio->event_fd >= 0) io_set_eventfd(iocb, aio->event_fd);
}

void cbio_aio_prepare_read(
    struct cbio_aio *aio, uint32_t index, const struct iovec *iov, uint32_t count,
    uint64_t offset, void *tag) {
    struct iocb *iocb = &aio->iocbs[index];
    if (count == 1)
        io_prep_pread(iocb, aio->fd, iov->iov_base, iov->iov_len, (long long)offset);
    else
        io_prep_preadv(iocb, aio->fd, iov, (int)count, (long long)offset);
    finish_preparing(aio, iocb, tag);
}

void cbio_aio_prepare_write(
    struct cbio_aio *aio, uint32_t index, const struct iovec *iov, uint32_t count,
    uint64_t offset, bool durable, void *tag) {
    struct iocb *iocb = &aio->iocbs[index];
    if (count == 1)
        io_prep_pwrite(iocb, aio->fd, iov->iov_base, iov->iov_len, (long long)offset);
    else
        io_prep_pwritev(iocb, aio->fd, iov, (int)count, (long long)offset);
    if (durable) iocb->aio_rw_flags = RWF_DSYNC;
    finish_preparing(aio, iocb, tag);
}

void cbio_aio_prepare_fdatasync(struct cbio_aio *aio, uint32_t index, void *tag) {
    io_prep_fdsync(&aio->iocbs[index], aio->fd);
    finish_preparing(aio, &aio->iocbs[index], tag);
}

int cbio_aio_arm_wake(struct cbio_aio *aio, int wake_fd) {
    io_prep_poll(&aio->wake, wake_fd, POLLIN);
    finish_preparing(aio, &aio->wake, NULL);
    struct iocb *pointer = &aio->wake;
    int taken = io_submit(aio->context, 1, &pointer);
    return taken < 0 ? taken : 0;
}

uint32_t cbio_aio_ready(const struct cbio_aio *aio) {
    if (!aio->ring) return 0;
    unsigned head = atomic_load_explicit(&aio->ring->head, memory_order_relaxed);
    unsigned tail = atomic_load_explicit(&aio->ring->tail, memory_order_acquire);
    return tail >= head ? tail - head : tail + aio->ring->nr - head;
}

int cbio_aio_submit(struct cbio_aio *aio, uint32_t first, uint32_t count) {
    return io_submit(aio->context, (long)count, aio->pointers + first);
}

static uint32_t take_from_ring(
    struct completion_ring *ring, struct cbio_event *events, uint32_t maximum) {
    unsigned head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    unsigned tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
    uint32_t taken = 0;
    while (head != tail && taken < maximum) {
        const struct io_event *event = &ring->events[head];
        events[taken].tag = event->data;
        events[taken].result = (int64_t)event->res;
        taken++;
        if (++head == ring->nr) head = 0;
    }
    // Release: the kernel may overwrite the entries once it sees the new head.
    if (taken) atomic_store_explicit(&ring->head, head, memory_order_release);
    return taken;
}

int cbio_aio_reap(
    struct cbio_aio *aio, struct cbio_event *events, uint32_t minimum, uint32_t maximum,
    int64_t nanoseconds) {
    if (maximum > aio->capacity) maximum = aio->capacity;
    if (minimum > maximum) minimum = maximum;
    uint32_t taken = aio->ring ? take_from_ring(aio->ring, events, maximum) : 0;
    if (taken && taken >= minimum) return (int)taken;
    if (aio->ring && minimum == 0) return 0;
    struct timespec limit = {nanoseconds / 1000000000, nanoseconds % 1000000000};
    int more = io_getevents(
        aio->context, (long)(minimum - taken), (long)(maximum - taken), aio->scratch,
        nanoseconds < 0 ? NULL : &limit);
    if (more < 0) return taken ? (int)taken : more;
    for (int i = 0; i < more; i++) {
        events[taken].tag = aio->scratch[i].data;
        events[taken].result = (int64_t)aio->scratch[i].res;
        taken++;
    }
    return (int)taken;
}
