// Opening, locking and asking about files and block devices.
#ifndef CBLOCKIO_FILE_H
#define CBLOCKIO_FILE_H

#include <stdbool.h>
#include <stdint.h>

/// Answer of statx(2) with STATX_DIOALIGN.
struct cbio_dio_alignment {
    /// The kernel filled in the two fields below (Linux 6.1 and later).
    bool known;
    /// Required alignment of a buffer's address; 0: no direct I/O on this file.
    uint32_t memory;
    /// Required alignment of offset and length; 0: no direct I/O on this file.
    uint32_t offset;
};

/// Opens `path` close-on-exec and without becoming a controlling terminal; a FIFO or an empty
/// drive does not block the caller. The descriptor is above 2. `exclusive` is O_EXCL: on a block device, an error when the
/// device is mounted or otherwise claimed. Returns a descriptor or -errno.
int cbio_open(const char *path, bool writable, bool direct, bool exclusive);

/// A second, buffered and writable descriptor of an open file, through /proc/self/fd: a
/// descriptor or -errno.
int cbio_reopen_buffered(int fd);

/// fcntl(2), F_DUPFD_CLOEXEC: another descriptor, above 2, of the same open file description, or -errno.
int cbio_duplicate(int fd);

/// What an open file description is open for.
struct cbio_open_flags {
    bool readable;
    bool writable;
    /// O_APPEND: pwrite(2) ignores its offset.
    bool appends;
    bool direct;
};

/// fcntl(2), F_GETFL: 0 or -errno. For O_PATH, neither readable nor writable.
int cbio_open_flags(int fd, struct cbio_open_flags *out);

/// fcntl(2), F_SETFL: sets or clears O_DIRECT, and clears O_NONBLOCK. `before` gets the flags that were
/// there, or -1 if nothing had to be changed. 0 or -errno.
int cbio_adapt_flags(int fd, bool direct, int *before);

/// fcntl(2), F_SETFL: puts back O_DIRECT and O_NONBLOCK as they are in `before`; other flags stay.
void cbio_restore_flags(int fd, int before);

/// fstat(2): the size of a regular file, 0 or -errno.
int cbio_file_size(int fd, uint64_t *bytes);

/// statx(2) with STATX_DIOALIGN on a descriptor. Returns 0 or -errno.
int cbio_dio_alignment(int fd, struct cbio_dio_alignment *out);

/// ioctl(2) BLKGETSIZE64, BLKSSZGET, BLKPBSZGET and BLKROGET on a block device: 0 or -errno.
int cbio_device_size(int fd, uint64_t *bytes);
int cbio_device_logical_block_size(int fd, uint32_t *bytes);
int cbio_device_is_read_only(int fd, bool *read_only);

/// fstatfs(2): the f_type of the file system, or 0 when it cannot be had.
uint64_t cbio_filesystem_type(int fd);

/// Takes, tests or drops an open-file-description lock (fcntl(2), F_OFD_SETLK, F_OFD_GETLK) on
/// bytes [start, start + length). `cbio_lock_test_exclusive` returns 1 when another open file description
/// holds a lock that a lock of this kind would conflict with, 0 when none does. Errors: -errno.
int cbio_lock_shared(int fd, uint64_t start, uint64_t length);
int cbio_lock_drop(int fd, uint64_t start, uint64_t length);
int cbio_lock_test_exclusive(int fd, uint64_t start, uint64_t length);

/// Major and minor number of a device id, as in /proc/self/mountinfo.
uint32_t cbio_major(uint64_t device);
uint32_t cbio_minor(uint64_t device);

#endif
