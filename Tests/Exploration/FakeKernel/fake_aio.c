// Kernel AIO as libaio shows it: the completion ring that io_setup(2) maps is plain memory.
#define _GNU_SOURCE
#include <errno.h>
#include <libaio.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>

#include "fake_internal.h"

/// A descriptor that a context polls.
struct poll {
    bool is_armed;
    int fd, event_fd;
    uint64_t user_data;
};

/// `struct aio_ring` of the kernel's fs/aio.c, and what the kernel keeps beside it.
struct context {
    unsigned id, nr, head, tail, magic, compat_features, incompat_features, header_length;
    struct io_event events[256];
    struct context *next;
    /// The polls of descriptors that are under way.
    struct poll polls[4];
};

static struct context *contexts;

int io_setup(int limit, io_context_t *out) {
    if (limit == 0) return -EINVAL;
    struct context *context = calloc(1, sizeof *context);
    if (!context) return -ENOMEM;
    context->nr = (unsigned)limit + 1;
    if (context->nr > sizeof context->events / sizeof context->events[0]) abort();
    context->magic = 0xa10a10a1;
    context->header_length = 32;
    context->next = contexts;
    contexts = context;
    *out = (io_context_t)context;
    return 0;
}

int io_destroy(io_context_t which) {
    struct context **place = &contexts;
    while (*place != (struct context *)which) place = &(*place)->next;
    struct context *context = *place;
    *place = context->next;
    fake_forget(context);
    free(context);
    return 0;
}

static void post(struct context *context, uint64_t data, int event_fd, int64_t result) {
    const unsigned next = (context->tail + 1) % context->nr;
    if (next == __atomic_load_n(&context->head, __ATOMIC_ACQUIRE)) abort();
    context->events[context->tail] =
        (struct io_event){.data = (void *)(uintptr_t)data, .res = (unsigned long)result};
    __atomic_store_n(&context->tail, next, __ATOMIC_RELEASE);
    fake_signal(event_fd);
}

void fake_aio_complete(const struct fake_flight *flight, int64_t result) {
    for (struct context *context = contexts; context; context = context->next)
        if (context == flight->ring) post(context, flight->user_data, flight->event_fd, result);
}

void fake_aio_look(void) {
    for (struct context *context = contexts; context; context = context->next) {
        for (size_t i = 0; i < sizeof context->polls / sizeof context->polls[0]; i++) {
            struct poll *poll = &context->polls[i];
            if (!poll->is_armed || !fake_is_readable(poll->fd)) continue;
            poll->is_armed = false;
            post(context, poll->user_data, poll->event_fd, POLLIN);
        }
    }
}

void fake_aio_publish(void) {
    if (contexts) fake_deliver();
}

/// The caller may use the iocb again when this returns.
static void begin(struct context *context, const struct iocb *iocb) {
    const uint64_t user_data = (uintptr_t)iocb->data;
    // IOCB_FLAG_RESFD
    const int event_fd = iocb->u.c.flags & 1 ? (int)iocb->u.c.resfd : -1;
    if (iocb->aio_lio_opcode == IO_CMD_POLL) {
        for (size_t i = 0; i < sizeof context->polls / sizeof context->polls[0]; i++) {
            if (context->polls[i].is_armed) continue;
            context->polls[i] =
                (struct poll){true, (int)iocb->aio_fildes, event_fd, user_data};
            return fake_aio_look();
        }
        abort();
    }
    struct fake_flight *flight = fake_take_off(context, user_data, event_fd);
    struct fake_operation operation = {
        .is_direct = true, .position = (uint64_t)iocb->u.c.offset};
    switch (iocb->aio_lio_opcode) {
        case IO_CMD_PREAD:
        case IO_CMD_PREADV: operation.kind = FAKE_READ; break;
        case IO_CMD_PWRITE:
        case IO_CMD_PWRITEV: operation.kind = FAKE_WRITE; break;
        case IO_CMD_FDSYNC: operation.kind = FAKE_SYNC; break;
        default:
            fprintf(stderr, "the fake kernel AIO does not know operation %d\n", iocb->aio_lio_opcode);
            abort();
    }
    if (iocb->aio_lio_opcode == IO_CMD_PREAD || iocb->aio_lio_opcode == IO_CMD_PWRITE) {
        flight->single = (struct iovec){iocb->u.c.buf, iocb->u.c.nbytes};
        operation.vectors = &flight->single;
        operation.vector_count = 1;
    } else if (operation.kind != FAKE_SYNC) {
        operation.vectors = iocb->u.c.buf;
        operation.vector_count = (uint32_t)iocb->u.c.nbytes;
    }
    operation.is_durable = operation.kind == FAKE_WRITE && (iocb->aio_rw_flags & RWF_DSYNC);
    for (uint32_t i = 0; i < operation.vector_count; i++)
        operation.length += operation.vectors[i].iov_len;
    fake_hooks->begin(flight, &operation);
}

int io_submit(io_context_t which, long count, struct iocb **iocbs) {
    if (!fake_hooks) return -EAGAIN;
    const int taken = fake_hooks->accept((int)count);
    if (taken == 0) return count > 0 ? -EAGAIN : 0;
    for (int i = 0; i < taken; i++) begin((struct context *)which, iocbs[i]);
    // Some may be done before the call returns.
    if (fake_hooks->in_flight() > 0) {
        fake_hooks->end(0, fake_hooks->in_flight());
        fake_deliver();
    }
    return taken;
}

int io_getevents(
    io_context_t which, long least, long most, struct io_event *events, struct timespec *limit) {
    struct context *context = (struct context *)which;
    fake_deliver();
    unsigned present = (context->tail + context->nr - context->head) % context->nr;
    if ((long)present < least) {
        const int64_t span = limit ? limit->tv_sec * 1000000000 + limit->tv_nsec : -1;
        const int answer = fake_wait((int)(least - (long)present), span, "io_getevents(2)");
        if (answer == -EINTR && present == 0) return -EINTR;
    }
    int count = 0;
    while (count < most && context->head != context->tail) {
        events[count++] = context->events[context->head];
        context->head = (context->head + 1) % context->nr;
    }
    return count;
}
