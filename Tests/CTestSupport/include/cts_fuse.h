// A file system in user space with one file, on the protocol of /dev/fuse, without libfuse.
#ifndef CTS_FUSE_H
#define CTS_FUSE_H

#include <stddef.h>

/// The name of the file.
#define CTS_FUSE_FILE "image"

/// Serves a file of `size` zeroes to the kernel on `fd`, an open /dev/fuse that has been mounted,
/// until the file system is unmounted: 0 or -errno. From a SIGUSR1 on, which it acknowledges by
/// writing `acknowledgement` to the standard output, it takes requests and answers none.
/// A read that begins at `held` is answered with the next fsync(2) and not before, or at once if it comes later than
/// that; SIZE_MAX: none.
int cts_fuse_serve(int fd, size_t size, size_t held, const char *acknowledgement);

#endif
