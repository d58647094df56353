#define _GNU_SOURCE
#include "fake_internal.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

const struct fake_hooks *fake_hooks;
static struct fake_flight *flights;

struct fake_flight *fake_take_off(void *ring, uint64_t user_data, int event_fd) {
    struct fake_flight *flight = calloc(1, sizeof *flight);
    if (!flight) abort();
    flight->ring = ring;
    flight->user_data = user_data;
    flight->event_fd = event_fd;
    flight->next = flights;
    flights = flight;
    return flight;
}

struct fake_flight *fake_find(void *ring, uint64_t user_data) {
    struct fake_flight *flight = flights;
    while (flight && (flight->ring != ring || flight->user_data != user_data)) flight = flight->next;
    return flight;
}

static void land(struct fake_flight *gone) {
    struct fake_flight **place = &flights;
    while (*place && *place != gone) place = &(*place)->next;
    if (!*place) abort();
    *place = gone->next;
    free(gone);
}

void fake_forget(void *ring) {
    struct fake_flight **place = &flights;
    while (*place) {
        struct fake_flight *flight = *place;
        if (flight->ring == ring) {
            *place = flight->next;
            free(flight);
        } else {
            place = &flight->next;
        }
    }
}

void fake_deliver(void) {
    void *tag;
    int64_t result;
    while (fake_hooks && fake_hooks->take(&tag, &result)) {
        struct fake_flight *flight = tag;
        // One of them knows the ring.
        fake_uring_complete(flight, result);
        fake_aio_complete(flight, result);
        land(flight);
    }
    fake_uring_look();
    fake_aio_look();
}

bool fake_is_readable(int fd) {
    struct pollfd entry = {.fd = fd, .events = POLLIN};
    return syscall(SYS_poll, &entry, 1, 0) > 0;
}

void fake_signal(int fd) {
    uint64_t one = 1;
    if (fd >= 0) (void)!write(fd, &one, sizeof one);
}

void fake_publish(void) {
    fake_uring_publish();
    fake_aio_publish();
}

void fake_refresh(void) {
    fake_uring_refresh();
    fake_aio_look();
}
