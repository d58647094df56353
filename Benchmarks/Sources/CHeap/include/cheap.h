#ifndef CHEAP_H
#define CHEAP_H

#include <stddef.h>

/// How many bytes malloc(3) has given out and not got back, after it has given the kernel back what it
/// can: mallinfo2(3), malloc_trim(3). Not in Swift's module of the C library.
size_t cheap_bytes_in_use(void);

#endif
