// What a guest's processor does to its memory. The thread sanitizer does not look: a guest races with
// its devices as it likes, and that is no fault of the host's.
#ifndef CTS_GUEST_H
#define CTS_GUEST_H

#include <stddef.h>
#include <stdint.h>

/// A store of 8 bytes.
void cts_guest_store(void *address, uint64_t value);

/// A load of 8 bytes.
uint64_t cts_guest_load(const void *address);

/// A store of 8 bytes to each of `lines` stretches of 64 bytes, in the order of addresses.
void cts_guest_store_lines(void *address, size_t lines, uint64_t value);

#endif
