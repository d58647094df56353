#define _GNU_SOURCE
#include "cblockhost_descriptor.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <time.h>

int cblockhost_eventfd(void) {
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

void cblockhost_eventfd_add(int fd, uint64_t value) {
    // Fails only with EAGAIN, when the counter is at its limit and the descriptor is readable.
    (void)!eventfd_write(fd, value);
}

uint64_t cblockhost_eventfd_take(int fd) {
    eventfd_t value;
    return eventfd_read(fd, &value) == 0 ? value : 0;
}

int cblockhost_wait_readable(int fd, int64_t nanoseconds) {
    struct pollfd entry = {.fd = fd, .events = POLLIN};
    struct timespec limit = {nanoseconds / 1000000000, nanoseconds % 1000000000};
    int ready = ppoll(&entry, 1, nanoseconds < 0 ? NULL : &limit, NULL);
    return ready < 0 ? -errno : ready;
}
