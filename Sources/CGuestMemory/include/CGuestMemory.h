#ifndef CGUESTMEMORY_H
#define CGUESTMEMORY_H

#include <stddef.h>

/// memfd_create(2) with MFD_CLOEXEC: a descriptor, or -errno.
int cguestmemory_memfd(const char *_Nonnull name);

/// Copies between guest memory and the host's own. Others may write either side meanwhile: each
/// byte is read once and written once, and the thread sanitizer, which would be right to complain
/// about any other memory, does not look. 1, 2, 4 or 8 bytes that are naturally aligned on both
/// sides are one access.
void cguestmemory_copy(void *_Nonnull to, const void *_Nonnull from, size_t count);

/// Fills guest memory with a byte, under the same conditions.
void cguestmemory_fill(void *_Nonnull to, unsigned char value, size_t count);

#endif
