#define _GNU_SOURCE
#include "cblockio_io.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

int64_t cbio_preadv(int fd, const struct iovec *iov, uint32_t count, uint64_t offset) {
    ssize_t moved = preadv2(fd, iov, (int)count, (off_t)offset, 0);
    return moved < 0 ? -errno : moved;
}

int64_t cbio_pwritev(
    int fd, const struct iovec *iov, uint32_t count, uint64_t offset, bool durable) {
    ssize_t moved = pwritev2(fd, iov, (int)count, (off_t)offset, durable ? RWF_DSYNC : 0);
    return moved < 0 ? -errno : moved;
}

int64_t cbio_fdatasync(int fd) { return fdatasync(fd) < 0 ? -errno : 0; }

int cbio_eventfd(void) {
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

void cbio_eventfd_signal(int fd) {
    // Fails only with EAGAIN, when the counter is at its limit and the descriptor is readable.
    (void)!eventfd_write(fd, 1);
}

void cbio_eventfd_clear(int fd) {
    eventfd_t value;
    (void)!eventfd_read(fd, &value);
}

int cbio_wait_readable(int fd, int64_t nanoseconds) {
    struct pollfd entry = {.fd = fd, .events = POLLIN};
    struct timespec limit = {nanoseconds / 1000000000, nanoseconds % 1000000000};
    int ready = ppoll(&entry, 1, nanoseconds < 0 ? NULL : &limit, NULL);
    return ready < 0 ? -errno : ready;
}
