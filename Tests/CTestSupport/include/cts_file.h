// Questions to files and block devices, and the flags that need _GNU_SOURCE.
#ifndef CTS_FILE_H
#define CTS_FILE_H

#include <stdbool.h>
#include <stdint.h>

/// open(2) flags.
extern const int CTS_O_DIRECT;
extern const int CTS_O_TMPFILE;

/// statfs(2) f_type values.
extern const uint64_t CTS_EXT4_MAGIC;
extern const uint64_t CTS_TMPFS_MAGIC;

/// fstatfs(2): the f_type of the file system.
int cts_filesystem_type(int fd, uint64_t *type);

/// fallocate(2), mode 0: allocates [0, size) and makes the file at least that long.
int cts_allocate(int fd, uint64_t size);

/// Answer of statx(2) with STATX_DIOALIGN.
struct cts_dio_alignment {
    /// The kernel filled in the two fields below.
    bool known;
    /// stx_dio_mem_align
    uint32_t memory;
    /// stx_dio_offset_align
    uint32_t offset;
};

int cts_dio_alignment(int fd, struct cts_dio_alignment *out);

/// ioctl(2) BLKSSZGET and BLKGETSIZE64.
int cts_logical_sector_size(int fd);
int cts_device_size(int fd, uint64_t *bytes);

/// F_OFD_SETLK (fcntl(2)): a shared lock of the open file description on `length` bytes from `start`
/// on. 0 or -errno.
int cts_lock_shared(int fd, uint64_t start, uint64_t length);

/// FIBMAP: which block of the device, in blocks of the file system, holds block `index` of a file;
/// 0 for a hole. -errno on failure.
int cts_physical_block(int fd, int index);

/// FALLOC_FL_PUNCH_HOLE: takes the blocks of a range away. 0 or -errno.
int cts_punch(int fd, uint64_t start, uint64_t length);

#endif
