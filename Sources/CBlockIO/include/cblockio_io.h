// Vectored I/O with flags, and changes of what a file holds.
#ifndef CBLOCKIO_IO_H
#define CBLOCKIO_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cblockio_submission.h"

struct iovec;

/// preadv2(2), pwritev2(2), for one buffer pread(2), pwrite(2), and fdatasync(2): bytes moved (0 for
/// the sync), or -errno.
/// `durable` is RWF_DSYNC: the write completes when it is on stable storage.
int64_t cbio_preadv(int fd, const struct iovec *iov, uint32_t count, uint64_t offset);
int64_t cbio_pwritev(
    int fd, const struct iovec *iov, uint32_t count, uint64_t offset, bool durable);
int64_t cbio_fdatasync(int fd);
/// The read or write that `submission` asks for, as by the two functions above.
int64_t cbio_transfer(int fd, const struct cbio_submission *submission);

/// fallocate(2) with FALLOC_FL_PUNCH_HOLE and FALLOC_FL_ZERO_RANGE, both with
/// FALLOC_FL_KEEP_SIZE; ioctl(2) BLKDISCARD and BLKZEROOUT; ftruncate(2). 0 or -errno.
int64_t cbio_punch_hole(int fd, uint64_t offset, uint64_t length);
int64_t cbio_zero_range(int fd, uint64_t offset, uint64_t length);
int64_t cbio_device_discard(int fd, uint64_t offset, uint64_t length);
int64_t cbio_device_zero(int fd, uint64_t offset, uint64_t length);
int64_t cbio_truncate(int fd, uint64_t length);

/// preadv2(2) of one buffer with RWF_NOWAIT: bytes, or -errno; EOPNOTSUPP or EAGAIN when the file
/// cannot be read without blocking.
int64_t cbio_read_nowait(int fd, void *buffer, uint64_t length, uint64_t offset);

#endif
