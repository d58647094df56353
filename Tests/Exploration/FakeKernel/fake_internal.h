// What the parts of the fake share.
#ifndef FAKE_INTERNAL_H
#define FAKE_INTERNAL_H

#include "fake_kernel.h"

/// An operation of a ring, from its submission until its completion is in the ring.
struct fake_flight {
    struct fake_flight *next;
    /// The ring that gets the completion, and what it is to say.
    void *ring;
    uint64_t user_data;
    /// An eventfd that the completion signals; -1 for none.
    int event_fd;
    /// The list of an operation that has only one element.
    struct iovec single;
};

/// NULL while the calls go to the system.
extern const struct fake_hooks *fake_hooks;

/// Allocates a flight and puts it into the list of those that are under way.
struct fake_flight *fake_take_off(void *ring, uint64_t user_data, int event_fd);
/// The one with this tag; NULL when there is none.
struct fake_flight *fake_find(void *ring, uint64_t user_data);
/// Forgets all flights of a ring that goes.
void fake_forget(void *ring);

/// Gives each completion of the kernel to its ring.
void fake_deliver(void);
/// The rings' ends of that.
void fake_uring_complete(const struct fake_flight *flight, int64_t result);
void fake_aio_complete(const struct fake_flight *flight, int64_t result);
/// Looks whether a descriptor that a ring polls is readable.
void fake_uring_look(void);
void fake_aio_look(void);
void fake_uring_publish(void);
void fake_uring_refresh(void);
void fake_aio_publish(void);

/// Waits until `count` operations more have ended. `nanoseconds` is negative without a limit. 0, -ETIME
/// when the limit has passed, or -EINTR after a hang was reported.
int fake_wait(int count, int64_t nanoseconds, const char *call);

/// Whether poll(2) finds something to read.
bool fake_is_readable(int fd);

void fake_signal(int fd);

#endif
