// Loop devices.
#ifndef CTS_LOOP_H
#define CTS_LOOP_H

#include <stdbool.h>
#include <stdint.h>

/// Configures a free loop device over `backing` and stores its number. Returns a descriptor of the
/// device; the device detaches itself when this and every other descriptor of it is closed, which
/// the death of the process does as well. A free device that another process takes first is
/// given up for the next one. A missing device node is made.
int cts_loop_attach(
    int backing, uint32_t sector_size, bool direct_io, bool read_only, int *number);

/// LOOP_SET_CAPACITY: makes the device as large as its backing file is now.
int cts_loop_set_capacity(int fd);

/// LOOP_SET_BLOCK_SIZE: gives an attached device sectors of another size. 0 or -errno.
int cts_loop_set_block_size(int fd, unsigned long bytes);

#endif
