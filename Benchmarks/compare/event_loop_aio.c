// An event loop over libaio that sleeps in epoll on the eventfd of its requests. One thread does all;
// owned and shared are the same here.
#include "event_loop.h"

#include <libaio.h>
#include <sys/eventfd.h>

static void submit(io_context_t context, struct iocb **batch, unsigned ready) {
    for (unsigned first = 0; first < ready;) {
        int result = io_submit(context, ready - first, batch + first);
        if (result < 0 && result != -EINTR && result != -EAGAIN) fail("io_submit", -result);
        if (result > 0) first += (unsigned)result;
    }
}

int main(int count, char **arguments) {
    struct work work = begin(count, arguments);
    io_context_t context = NULL;
    int error = io_setup((int)work.depth, &context);
    if (error < 0) fail("io_setup", -error);
    int bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (bell < 0) fail("eventfd", errno);
    watch(&work, bell);
    struct iocb *blocks = calloc(work.depth, sizeof *blocks);
    struct iocb **batch = calloc(work.depth, sizeof *batch);
    struct io_event *events = calloc(work.depth, sizeof *events);
    if (!blocks || !batch || !events) fail("memory", ENOMEM);
    unsigned ready = 0;
    for (unsigned slot = 0; slot < work.depth && may_start(&work); slot++, work.started++) {
        io_prep_pread(
            &blocks[slot], work.fd, work.memory + slot * work.block_size, work.block_size,
            (long long)next_offset(&work));
        io_set_eventfd(&blocks[slot], bell);
        batch[ready++] = &blocks[slot];
    }
    submit(context, batch, ready);
    while (work.done < work.started) {
        sleep_in_epoll(&work);
        uint64_t rings;
        if (read(bell, &rings, sizeof rings) < 0 && errno != EAGAIN) fail("eventfd", errno);
        int taken = io_getevents(context, 0, work.depth, events, &(struct timespec){0, 0});
        if (taken < 0 && taken != -EINTR) fail("io_getevents", -taken);
        ready = 0;
        for (int i = 0; i < taken; i++) {
            if (events[i].res != work.block_size)
                fail("read", (long)events[i].res < 0 ? -(int)events[i].res : EIO);
            work.done++;
            if (!may_start(&work)) continue;
            work.started++;
            events[i].obj->u.c.offset = (long long)next_offset(&work);
            batch[ready++] = events[i].obj;
        }
        submit(context, batch, ready);
    }
    report(&work, "libaio");
    io_destroy(context);
    return 0;
}
