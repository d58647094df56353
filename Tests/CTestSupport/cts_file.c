#define _GNU_SOURCE
#include "cts_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

const int CTS_O_DIRECT = O_DIRECT;
const int CTS_O_TMPFILE = O_TMPFILE;
const uint64_t CTS_EXT4_MAGIC = EXT4_SUPER_MAGIC;
const uint64_t CTS_TMPFS_MAGIC = TMPFS_MAGIC;

int cts_filesystem_type(int fd, uint64_t *type) {
    struct statfs st;
    if (fstatfs(fd, &st) < 0) return -errno;
    *type = (uint64_t)st.f_type;
    return 0;
}

int cts_allocate(int fd, uint64_t size) {
    if (size == 0) return 0;
    while (fallocate(fd, 0, 0, (off_t)size) < 0) {
        if (errno != EINTR) return -errno;
    }
    return 0;
}

int cts_dio_alignment(int fd, struct cts_dio_alignment *out) {
    *out = (struct cts_dio_alignment){0};
#ifdef STATX_DIOALIGN
    struct statx st;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &st) < 0) return -errno;
    if (st.stx_mask & STATX_DIOALIGN) {
        out->known = true;
        out->memory = st.stx_dio_mem_align;
        out->offset = st.stx_dio_offset_align;
    }
#endif
    return 0;
}

int cts_logical_sector_size(int fd) {
    int bytes = 0;
    return ioctl(fd, BLKSSZGET, &bytes) < 0 ? -errno : bytes;
}

int cts_device_size(int fd, uint64_t *bytes) {
    return ioctl(fd, BLKGETSIZE64, bytes) < 0 ? -errno : 0;
}

int cts_lock_shared(int fd, uint64_t start, uint64_t length) {
    struct flock lock = {
        .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = (off_t)start, .l_len = (off_t)length};
    return fcntl(fd, F_OFD_SETLK, &lock) < 0 ? -errno : 0;
}

int cts_physical_block(int fd, int index) {
    return ioctl(fd, FIBMAP, &index) < 0 ? -errno : index;
}

int cts_punch(int fd, uint64_t start, uint64_t length) {
    const int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    return fallocate(fd, mode, (off_t)start, (off_t)length) < 0 ? -errno : 0;
}
