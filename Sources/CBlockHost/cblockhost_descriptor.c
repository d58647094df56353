#define _GNU_SOURCE
#include "cblockhost_descriptor.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>

int cblockhost_eventfd(void) {
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

void cblockhost_eventfd_signal(int fd) {
    // Fails only with EAGAIN, when the counter is at its limit and the descriptor is readable.
    (void)!eventfd_write(fd, 1);
}

bool cblockhost_eventfd_clear(int fd) {
    eventfd_t value;
    return eventfd_read(fd, &value) == 0;
}

int cblockhost_timer(void) {
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

void cblockhost_timer_set(int fd, int64_t nanoseconds) {
    const struct itimerspec setting = {
        .it_value = {nanoseconds / 1000000000, nanoseconds % 1000000000}};
    timerfd_settime(fd, 0, &setting, NULL);
}

int cblockhost_wait_readable(int fd, int64_t nanoseconds) {
    struct pollfd entry = {.fd = fd, .events = POLLIN};
    struct timespec limit = {nanoseconds / 1000000000, nanoseconds % 1000000000};
    int ready = ppoll(&entry, 1, nanoseconds < 0 ? NULL : &limit, NULL);
    return ready < 0 ? -errno : ready;
}
