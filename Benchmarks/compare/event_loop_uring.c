// An event loop over liburing. shared: a ring without flags, and epoll watches the ring itself. owned: the
// flags for one thread, with which the kernel has to be entered before completions show. epoll then watches an
// eventfd, because the ring itself wakes no sleeper in epoll for work that is deferred (Linux 6.18).
#include "event_loop.h"

#include <liburing.h>
#include <sys/eventfd.h>

// Takes what has completed, and prepares as many new reads.
static unsigned turn(struct work *work, struct io_uring *ring) {
    struct io_uring_cqe *cqe;
    unsigned head, taken = 0, prepared = 0;
    io_uring_for_each_cqe(ring, head, cqe) {
        if (cqe->res != (int)work->block_size) fail("read", cqe->res < 0 ? -cqe->res : EIO);
        taken++;
        work->done++;
        if (!may_start(work)) continue;
        work->started++;
        prepared++;
        struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
        io_uring_prep_read(
            sqe, 0, work->memory + cqe->user_data * work->block_size, (unsigned)work->block_size,
            next_offset(work));
        sqe->flags = IOSQE_FIXED_FILE;
        sqe->user_data = cqe->user_data;
    }
    io_uring_cq_advance(ring, taken);
    return prepared;
}

static void submit(struct io_uring *ring) {
    int result = io_uring_submit(ring);
    if (result < 0) fail("io_uring_enter", -result);
}

static void complete(struct io_uring *ring) {
    int error = io_uring_get_events(ring);
    if (error < 0 && error != -EINTR) fail("io_uring_enter", -error);
}

// Lets the kernel complete what it has deferred. The eventfd is read afterwards, because completing signals it
// again. Work that was deferred in between shows in the ring's flags only; later work signals the eventfd. The
// kernel can set the flag for work that it has completed already, and then does not clear it, so there is no loop.
static void complete_deferred(struct io_uring *ring, int bell) {
    complete(ring);
    uint64_t rings;
    if (read(bell, &rings, sizeof rings) < 0 && errno != EAGAIN) fail("eventfd", errno);
    if (IO_URING_READ_ONCE(*ring->sq.kflags) & IORING_SQ_TASKRUN) complete(ring);
}

int main(int count, char **arguments) {
    struct work work = begin(count, arguments);
    struct io_uring ring;
    unsigned flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG;
    int error = io_uring_queue_init(work.depth, &ring, work.is_owned ? flags : 0);
    if (error < 0) fail("io_uring_setup", -error);
    error = io_uring_register_files(&ring, &work.fd, 1);
    if (error < 0) fail("io_uring_register", -error);
    int bell = -1;
    if (work.is_owned) {
        io_uring_register_ring_fd(&ring);
        bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (bell < 0) fail("eventfd", errno);
        error = io_uring_register_eventfd(&ring, bell);
        if (error < 0) fail("io_uring_register", -error);
    }
    watch(&work, work.is_owned ? bell : ring.ring_fd);
    for (unsigned slot = 0; slot < work.depth && may_start(&work); slot++) {
        struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
        io_uring_prep_read(
            sqe, 0, work.memory + slot * work.block_size, (unsigned)work.block_size,
            next_offset(&work));
        sqe->flags = IOSQE_FIXED_FILE;
        sqe->user_data = slot;
        work.started++;
    }
    submit(&ring);
    while (work.done < work.started) {
        sleep_in_epoll(&work);
        if (work.is_owned) complete_deferred(&ring, bell);
        if (turn(&work, &ring) > 0) submit(&ring);
    }
    report(&work, "io_uring");
    io_uring_queue_exit(&ring);
    return 0;
}
