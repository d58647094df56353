#define _GNU_SOURCE
#include "cblockio_uring.h"

#include <errno.h>
#include <liburing.h>
#include <linux/fs.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct cbio_uring {
    struct io_uring ring;
    int fd;
    bool registered_file;
    bool registered_ring;
    pid_t owner;  // the thread that registered the ring
};

static int set_up(struct cbio_uring *self, uint32_t entries, unsigned flags) {
    struct io_uring_params params;
    memset(&params, 0, sizeof params);
    params.flags = flags;
    return io_uring_queue_init_params(entries, &self->ring, &params);
}

int cbio_uring_create(struct cbio_uring **out, int fd, uint32_t entries, bool single_owner) {
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

    struct cbio_uring *self = calloc(1, sizeof *self);
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
    self->fd = fd;
    self->registered_file = io_uring_register_files(&self->ring, &fd, 1) == 0;
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
    // The kernel frees a ring in the background. Until then it would hold the registered file, and
    // with it the image's locks and its exclusive claim on a device.
    if (self->registered_file) io_uring_unregister_files(&self->ring);
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
        .registered_file = self->registered_file,
        .registered_ring = self->registered_ring,
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

int cbio_uring_probe(struct cbio_uring *self) {
    static const int needed[] = {
        IORING_OP_READ, IORING_OP_WRITE, IORING_OP_READV, IORING_OP_WRITEV, IORING_OP_FSYNC,
        IORING_OP_POLL_ADD, IORING_OP_ASYNC_CANCEL,
    };
    struct io_uring_probe *probe = io_uring_get_probe_ring(&self->ring);
    if (!probe) return -EINVAL;
    int result = 0;
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++)
        if (!io_uring_opcode_supported(probe, needed[i])) result = -EOPNOTSUPP;
    io_uring_free_probe(probe);
    return result;
}

static bool finish_preparing(struct cbio_uring *self, struct io_uring_sqe *sqe, void *tag) {
    if (self->registered_file) {
        sqe->fd = 0;
        sqe->flags |= IOSQE_FIXED_FILE;
    }
    io_uring_sqe_set_data(sqe, tag);
    return true;
}

bool cbio_uring_prepare_read(
    struct cbio_uring *self, const struct iovec *iov, uint32_t count, uint64_t offset, void *tag) {
    struct io_uring_sqe *sqe = io_uring_get_sqe(&self->ring);
    if (!sqe) return false;
    if (count == 1)
        io_uring_prep_read(sqe, self->fd, iov->iov_base, (unsigned)iov->iov_len, offset);
    else
        io_uring_prep_readv(sqe, self->fd, iov, count, offset);
    return finish_preparing(self, sqe, tag);
}

bool cbio_uring_prepare_write(
    struct cbio_uring *self, const struct iovec *iov, uint32_t count, uint64_t offset,
    bool durable, void *tag) {
    struct io_uring_sqe *sqe = io_uring_get_sqe(&self->ring);
    if (!sqe) return false;
    if (count == 1)
        io_uring_prep_write(sqe, self->fd, iov->iov_base, (unsigned)iov->iov_len, offset);
    else
        io_uring_prep_writev(sqe, self->fd, iov, count, offset);
    if (durable) sqe->rw_flags = RWF_DSYNC;
    return finish_preparing(self, sqe, tag);
}

bool cbio_uring_prepare_fdatasync(struct cbio_uring *self, void *tag) {
    struct io_uring_sqe *sqe = io_uring_get_sqe(&self->ring);
    if (!sqe) return false;
    io_uring_prep_fsync(sqe, self->fd, IORING_FSYNC_DATASYNC);
    return finish_preparing(self, sqe, tag);
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

uint32_t cbio_uring_reap(
    struct cbio_uring *self, struct cbio_event *events, uint32_t maximum) {
    struct io_uring *ring = &self->ring;
    struct io_uring_cqe *cqe;
    unsigned head;
    uint32_t taken = 0;
    io_uring_for_each_cqe(ring, head, cqe) {
        if (taken == maximum) break;
        events[taken].tag = io_uring_cqe_get_data(cqe);
        events[taken].result = cqe->res;
        taken++;
    }
    io_uring_cq_advance(ring, taken);
    return taken;
}

uint32_t cbio_uring_unsubmitted(const struct cbio_uring *self) {
    return io_uring_sq_ready(&self->ring);
}
