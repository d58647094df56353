// Events that are descriptors: eventfd(2).
#ifndef CBLOCKHOST_DESCRIPTOR_H
#define CBLOCKHOST_DESCRIPTOR_H

#include <stdint.h>

/// eventfd(2), close-on-exec and non-blocking: a descriptor or -errno.
int cblockhost_eventfd(void);
/// Adds to the counter, so that the descriptor becomes readable.
void cblockhost_eventfd_add(int fd, uint64_t value);
/// Sets the counter to 0. Returns what it was.
uint64_t cblockhost_eventfd_take(int fd);

/// Waits in ppoll(2) until the descriptor is readable, `nanoseconds` have passed (negative: no
/// limit) or a signal came. Returns 1, 0 or -errno.
int cblockhost_wait_readable(int fd, int64_t nanoseconds);

#endif
