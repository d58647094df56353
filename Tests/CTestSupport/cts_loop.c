#define _GNU_SOURCE
#include "cts_loop.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

enum { LOOP_DEVICE_MAJOR = 7, MAX_TRIES = 200 };

static int open_device(int number, bool read_only) {
    char path[32];
    snprintf(path, sizeof path, "/dev/loop%d", number);
    int flags = (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC;
    int fd = open(path, flags);
    if (fd < 0 && errno == ENOENT) {
        dev_t device = makedev(LOOP_DEVICE_MAJOR, (unsigned)number);
        if (mknod(path, S_IFBLK | 0600, device) < 0 && errno != EEXIST) return -errno;
        fd = open(path, flags);
    }
    return fd < 0 ? -errno : fd;
}

static int try_attach(int control, const struct loop_config *config, int *number) {
    int free_number = ioctl(control, LOOP_CTL_GET_FREE);
    if (free_number < 0) return -errno;
    int fd = open_device(free_number, config->info.lo_flags & LO_FLAGS_READ_ONLY);
    if (fd < 0) return fd;
    if (ioctl(fd, LOOP_CONFIGURE, config) < 0) {
        int error = errno;
        close(fd);
        return -error;
    }
    *number = free_number;
    return fd;
}

/// Another process took the device, or removed it, between LOOP_CTL_GET_FREE and LOOP_CONFIGURE.
static bool lost_race(int result) {
    return result == -EBUSY || result == -ENXIO || result == -ENODEV || result == -EINTR;
}

int cts_loop_attach(
    int backing, uint32_t sector_size, bool direct_io, bool read_only, int *number) {
    struct loop_config config = {
        .fd = (uint32_t)backing,
        .block_size = sector_size,
        .info.lo_flags = LO_FLAGS_AUTOCLEAR | (direct_io ? LO_FLAGS_DIRECT_IO : 0) |
                         (read_only ? LO_FLAGS_READ_ONLY : 0),
    };
    int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    if (control < 0) return -errno;
    int result = try_attach(control, &config, number);
    for (int tries = 1; lost_race(result) && tries < MAX_TRIES; tries++) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000 * (tries % 8)}, NULL);
        result = try_attach(control, &config, number);
    }
    close(control);
    return result;
}

int cts_loop_set_block_size(int fd, unsigned long bytes) {
    return ioctl(fd, LOOP_SET_BLOCK_SIZE, bytes) < 0 ? -errno : 0;
}

int cts_loop_set_capacity(int fd) {
    return ioctl(fd, LOOP_SET_CAPACITY, 0) < 0 ? -errno : 0;
}
