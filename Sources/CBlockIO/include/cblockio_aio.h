// Linux kernel AIO through libaio, one context a queue.
#ifndef CBLOCKIO_AIO_H
#define CBLOCKIO_AIO_H

#include <stdbool.h>
#include <stdint.h>

#include "cblockio_io.h"

struct cbio_aio;

/// io_setup(2) for `capacity` requests in flight on `fd`, and one to be woken by. `event_fd` (or
/// -1) is signalled at each completion. Returns 0 or -errno: EAGAIN when /proc/sys/fs/aio-max-nr is exhausted.
int cbio_aio_create(struct cbio_aio **out, int fd, uint32_t capacity, int event_fd);

/// io_destroy(2), which waits for requests in flight, and frees the context.
void cbio_aio_destroy(struct cbio_aio *aio);

/// Prepares request `index` of the next io_submit(2); `index` is below the capacity.
/// Lists of one element become plain reads and writes.
void cbio_aio_prepare_read(
    struct cbio_aio *aio, uint32_t index, const struct iovec *iov, uint32_t count,
    uint64_t offset, void *tag);
void cbio_aio_prepare_write(
    struct cbio_aio *aio, uint32_t index, const struct iovec *iov, uint32_t count,
    uint64_t offset, bool durable, void *tag);
void cbio_aio_prepare_fdatasync(struct cbio_aio *aio, uint32_t index, void *tag);

/// Asks for one completion without a tag when `wake_fd` becomes readable. Returns 0 or -errno.
int cbio_aio_arm_wake(struct cbio_aio *aio, int wake_fd);

/// How many completions can be taken without a system call.
uint32_t cbio_aio_ready(const struct cbio_aio *aio);

/// Submits prepared requests [first, first + count): how many the kernel took, or -errno for the
/// first of them.
int cbio_aio_submit(struct cbio_aio *aio, uint32_t first, uint32_t count);

/// Takes up to `maximum` completions, waiting until there are `minimum`, `nanoseconds` (negative:
/// no limit) have passed or a signal came. Completions that are there already cost no system
/// call. Returns their number or -errno.
int cbio_aio_reap(
    struct cbio_aio *aio, struct cbio_event *events, uint32_t minimum, uint32_t maximum,
    int64_t nanoseconds);

#endif
