// What a guest's processor does to its memory.
#ifndef CTS_GUEST_H
#define CTS_GUEST_H

#include <stdint.h>

/// A store of 8 bytes. The thread sanitizer does not look: a guest races with its devices as it
/// likes, and that is no fault of the host's.
void cts_guest_store(void *address, uint64_t value);

#endif
