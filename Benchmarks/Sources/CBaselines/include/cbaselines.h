#ifndef CBASELINES_H
#define CBASELINES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

/// Lists of POSIX AIO requests, lio_listio(3): `depth` of them, each of one control block for
/// every vector element.
///
/// A list's end is announced by a real-time signal that the thread which created them keeps
/// blocked and waits for; that thread, and no other, starts lists and waits.
struct cbl_lists;

/// Opens `path` for the lists; 0 or -errno.
int cbl_lists_create(
    struct cbl_lists **out, const char *path, bool writable, bool direct, uint32_t depth,
    uint32_t vectors);

/// Starts the list of `slot`: its elements are `pieces`, one after the other from `offset`.
void cbl_lists_start(
    struct cbl_lists *self, uint32_t slot, const struct iovec *pieces, uint64_t offset,
    bool is_write);

/// Waits for a list to end: its slot, -EAGAIN after the time limit, or -EINTR.
int cbl_lists_wait(struct cbl_lists *self, int64_t nanoseconds);

/// What became of a list that has ended: bytes moved, or the first -errno.
int64_t cbl_lists_result(struct cbl_lists *self, uint32_t slot);

/// Closes and frees. No list may be under way.
void cbl_lists_destroy(struct cbl_lists *self);

#endif
