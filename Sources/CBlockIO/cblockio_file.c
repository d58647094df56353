#define _GNU_SOURCE
#include "cblockio_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

// A descriptor above those of standard input, output and error, which may be closed: what the program
// prints must not go into an image. A descriptor or -errno.
static int above_standard(int fd) {
    if (fd > STDERR_FILENO) return fd;
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    int error = errno;
    close(fd);
    return moved < 0 ? -error : moved;
}

int cbio_open(const char *path, bool writable, bool direct, bool exclusive) {
    int flags = O_CLOEXEC | O_NOCTTY | O_NONBLOCK | (writable ? O_RDWR : O_RDONLY);
    if (direct) flags |= O_DIRECT;
    if (exclusive) flags |= O_EXCL;
    int fd;
    do {
        fd = open(path, flags);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) return -errno;
    // With O_NONBLOCK left on, io_uring answers EAGAIN instead of handing a request to a worker.
    int now = fcntl(fd, F_GETFL);
    if (now < 0 || fcntl(fd, F_SETFL, now & ~O_NONBLOCK) < 0) {
        int error = errno;
        close(fd);
        return -error;
    }
    return above_standard(fd);
}

int cbio_reopen_buffered(int fd) {
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int reopened = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY);
    return reopened < 0 ? -errno : above_standard(reopened);
}

int cbio_duplicate(int fd) {
    int duplicate = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    return duplicate < 0 ? -errno : duplicate;
}

int cbio_open_flags(int fd, struct cbio_open_flags *out) {
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0) return -errno;
    const int mode = flags & O_ACCMODE;
    const bool has_data = !(flags & O_PATH);
    out->readable = has_data && (mode == O_RDONLY || mode == O_RDWR);
    out->writable = has_data && (mode == O_WRONLY || mode == O_RDWR);
    out->appends = flags & O_APPEND;
    out->direct = flags & O_DIRECT;
    return 0;
}

int cbio_adapt_flags(int fd, bool direct, int *before) {
    *before = -1;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0) return -errno;
    int wanted = (flags & ~(O_DIRECT | O_NONBLOCK)) | (direct ? O_DIRECT : 0);
    if (wanted == flags) return 0;
    if (fcntl(fd, F_SETFL, wanted) < 0) return -errno;
    *before = flags;
    return 0;
}

void cbio_restore_flags(int fd, int before) {
    const int ours = O_DIRECT | O_NONBLOCK;
    int flags = fcntl(fd, F_GETFL);
    if (flags >= 0) (void)fcntl(fd, F_SETFL, (flags & ~ours) | (before & ours));
}

int cbio_file_size(int fd, uint64_t *bytes) {
    struct stat st;
    if (fstat(fd, &st) < 0) return -errno;
    *bytes = (uint64_t)st.st_size;
    return 0;
}

int cbio_dio_alignment(int fd, struct cbio_dio_alignment *out) {
    memset(out, 0, sizeof *out);
    struct statx st;
    memset(&st, 0, sizeof st);
    if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &st) < 0) return -errno;
    if (st.stx_mask & STATX_DIOALIGN) {
        out->known = true;
        out->memory = st.stx_dio_mem_align;
        out->offset = st.stx_dio_offset_align;
    }
    return 0;
}

int cbio_device_size(int fd, uint64_t *bytes) {
    return ioctl(fd, BLKGETSIZE64, bytes) < 0 ? -errno : 0;
}

int cbio_device_logical_block_size(int fd, uint32_t *bytes) {
    int size = 0;
    if (ioctl(fd, BLKSSZGET, &size) < 0) return -errno;
    *bytes = (uint32_t)size;
    return 0;
}

int cbio_device_is_read_only(int fd, bool *read_only) {
    int value = 0;
    if (ioctl(fd, BLKROGET, &value) < 0) return -errno;
    *read_only = value != 0;
    return 0;
}

uint64_t cbio_filesystem_type(int fd) {
    struct statfs fs;
    return fstatfs(fd, &fs) < 0 ? 0 : (uint64_t)fs.f_type;
}

static struct flock lock_of(short type, uint64_t start, uint64_t length) {
    struct flock lock = {
        .l_type = type,
        .l_whence = SEEK_SET,
        .l_start = (off_t)start,
        .l_len = (off_t)length,
    };
    return lock;
}

int cbio_lock_shared(int fd, uint64_t start, uint64_t length) {
    struct flock lock = lock_of(F_RDLCK, start, length);
    return fcntl(fd, F_OFD_SETLK, &lock) < 0 ? -errno : 0;
}

int cbio_lock_drop(int fd, uint64_t start, uint64_t length) {
    struct flock lock = lock_of(F_UNLCK, start, length);
    return fcntl(fd, F_OFD_SETLK, &lock) < 0 ? -errno : 0;
}

int cbio_lock_test_exclusive(int fd, uint64_t start, uint64_t length) {
    struct flock lock = lock_of(F_WRLCK, start, length);
    if (fcntl(fd, F_OFD_GETLK, &lock) < 0) return -errno;
    return lock.l_type != F_UNLCK;
}

uint32_t cbio_major(uint64_t device) { return major(device); }
uint32_t cbio_minor(uint64_t device) { return minor(device); }
