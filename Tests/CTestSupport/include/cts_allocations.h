// Counts the allocations of the whole process, by all of its threads: malloc(3) and its kin are
// replaced with functions that count and pass on to glibc.
#ifndef CTS_ALLOCATIONS_H
#define CTS_ALLOCATIONS_H

#include <stdbool.h>
#include <stdint.h>

/// False under a sanitizer, which replaces the same functions.
bool cts_allocations_are_countable(void);

/// Sets the count to 0 and starts counting.
void cts_allocations_start(void);

/// Stops counting and returns the count: every call that gives out memory, and every realloc(3).
uint64_t cts_allocations_stop(void);

/// How many bytes the calls asked for that were counted last.
uint64_t cts_allocations_bytes(void);

/// Has the allocator give to the system what it keeps for later.
void cts_allocations_trim(void);

#endif
