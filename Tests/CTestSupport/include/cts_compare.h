#ifndef CTS_COMPARE_H
#define CTS_COMPARE_H

#include <stddef.h>
#include <stdint.h>

// Fills memory with bytes that depend on the seed alone.
void cts_fill(void *memory, size_t count, uint64_t seed);

// Makes `former` what `now` is. The offset of the first byte that differed and for which `allowed` has 0;
// -1 when there was none.
ptrdiff_t cts_take_changes(const void *now, void *former, const void *allowed, size_t count);

#endif
