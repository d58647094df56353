#define _GNU_SOURCE
#include "cblockio_io.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

int64_t cbio_preadv(int fd, const struct iovec *iov, uint32_t count, uint64_t offset) {
    // The kernel has less to fetch and to check.
    ssize_t moved = count == 1 ? pread(fd, iov->iov_base, iov->iov_len, (off_t)offset)
                               : preadv2(fd, iov, (int)count, (off_t)offset, 0);
    return moved < 0 ? -errno : moved;
}

int64_t cbio_pwritev(
    int fd, const struct iovec *iov, uint32_t count, uint64_t offset, bool durable) {
    ssize_t moved = count == 1 && !durable
        ? pwrite(fd, iov->iov_base, iov->iov_len, (off_t)offset)
        : pwritev2(fd, iov, (int)count, (off_t)offset, durable ? RWF_DSYNC : 0);
    return moved < 0 ? -errno : moved;
}

int64_t cbio_transfer(int fd, const struct cbio_submission *submission) {
    return submission->kind == CBIO_READ
        ? cbio_preadv(fd, submission->vectors, submission->vector_count, submission->position)
        : cbio_pwritev(fd, submission->vectors, submission->vector_count, submission->position,
              submission->is_durable);
}

int64_t cbio_fdatasync(int fd) { return fdatasync(fd) < 0 ? -errno : 0; }

int64_t cbio_punch_hole(int fd, uint64_t offset, uint64_t length) {
    int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    return fallocate(fd, mode, (off_t)offset, (off_t)length) < 0 ? -errno : 0;
}

int64_t cbio_zero_range(int fd, uint64_t offset, uint64_t length) {
    int mode = FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE;
    return fallocate(fd, mode, (off_t)offset, (off_t)length) < 0 ? -errno : 0;
}

int64_t cbio_device_discard(int fd, uint64_t offset, uint64_t length) {
    uint64_t range[2] = {offset, length};
    return ioctl(fd, BLKDISCARD, range) < 0 ? -errno : 0;
}

int64_t cbio_device_zero(int fd, uint64_t offset, uint64_t length) {
    uint64_t range[2] = {offset, length};
    return ioctl(fd, BLKZEROOUT, range) < 0 ? -errno : 0;
}

int64_t cbio_truncate(int fd, uint64_t length) {
    return ftruncate(fd, (off_t)length) < 0 ? -errno : 0;
}

int64_t cbio_read_nowait(int fd, void *buffer, uint64_t length, uint64_t offset) {
    struct iovec iov = {buffer, length};
    ssize_t moved = preadv2(fd, &iov, 1, (off_t)offset, RWF_NOWAIT);
    return moved < 0 ? -errno : moved;
}
