// Events and timers that are descriptors: eventfd(2) and timerfd_create(2).
#ifndef CBLOCKHOST_DESCRIPTOR_H
#define CBLOCKHOST_DESCRIPTOR_H

#include <stdbool.h>
#include <stdint.h>

/// eventfd(2), close-on-exec and non-blocking: a descriptor or -errno.
int cblockhost_eventfd(void);
/// Adds 1 to the counter, so that the descriptor becomes readable.
void cblockhost_eventfd_signal(int fd);
/// Reads the counter back to 0. True if it was not 0.
bool cblockhost_eventfd_clear(int fd);

/// timerfd_create(2), close-on-exec and non-blocking: a descriptor or -errno.
int cblockhost_timer(void);
/// Makes the descriptor readable after `nanoseconds`, and not before; 0 makes it quiet.
void cblockhost_timer_set(int fd, int64_t nanoseconds);

/// Waits in ppoll(2) until the descriptor is readable, `nanoseconds` have passed (negative: no
/// limit) or a signal came. Returns 1, 0 or -errno.
int cblockhost_wait_readable(int fd, int64_t nanoseconds);

#endif
