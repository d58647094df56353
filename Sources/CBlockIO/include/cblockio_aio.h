// Linux kernel AIO through libaio, one context a queue.
#ifndef CBLOCKIO_AIO_H
#define CBLOCKIO_AIO_H

#include <stdbool.h>
#include <stdint.h>

#include "cblockio_submission.h"

struct cbio_aio;

/// Asks whether io_setup(2) is allowed. Returns 0 or -errno. Unlike a context, which the kernel frees after
/// some 30 ms, this costs nothing.
int cbio_aio_probe(void);

/// io_setup(2) for `capacity` requests in flight on `count` files, 1 to 255, and one to be woken by. A
/// submission names its file by the index in `fds`, which has -1 for a file that threads serve. `event_fd`
/// (or -1) is signalled at each completion. Returns 0 or -errno: EAGAIN when /proc/sys/fs/aio-max-nr is exhausted.
int cbio_aio_create(
    struct cbio_aio **out, const int *fds, uint32_t count, uint32_t capacity, int event_fd);

/// io_destroy(2), which waits for requests in flight, and frees the context.
void cbio_aio_destroy(struct cbio_aio *aio);

/// Fills control blocks for the submissions from `first` on, up to `limit` of them or as many as there are
/// blocks so far, one that is for threads by its kind or its file, or the end. Lists of one element become
/// reads and writes of one buffer. Returns their number and the submission `behind` them.
uint32_t cbio_aio_prepare(
    struct cbio_aio *aio, struct cbio_submission *first, uint32_t limit,
    struct cbio_submission **behind);

/// Asks for one completion without a tag when `wake_fd` becomes readable. Returns 0 or -errno.
int cbio_aio_arm_wake(struct cbio_aio *aio, int wake_fd);

/// Where the kernel posts the next completion: for `cbio_aio_count_inline`.
uint32_t cbio_aio_tail(const struct cbio_aio *aio);

/// How many completions there are since `start`, if the last of them is of a submission that `cbio_aio_prepare`
/// prepared last; 0 otherwise. `start` is `cbio_aio_tail` from before they were submitted, and nothing has been reaped
/// since. 0 where the kernel's ring cannot be read.
uint32_t cbio_aio_count_inline(const struct cbio_aio *aio, uint32_t start);

/// Submits prepared requests [first, first + count): how many the kernel took, or -errno for the
/// first of them.
int cbio_aio_submit(struct cbio_aio *aio, uint32_t first, uint32_t count);

/// Moves what the kernel has completed to `answered`. When there is nothing, it waits until there are `minimum` (a wake
/// counts as one), `nanoseconds` (negative: no limit) have passed or a signal came. Completions
/// that are there already cost no system call. Returns 0 or -errno; sets `woken` when the wake was
/// among them. With -EINTR too, completions may have been moved. A signal need not end a wait that has a limit.
int cbio_aio_reap(
    struct cbio_aio *aio, struct cbio_submissions *answered, bool *woken, uint32_t minimum,
    int64_t nanoseconds);

#endif
