#include "cts_compare.h"

#include <string.h>

// Steele, Lea and Flood: "Fast splittable pseudorandom number generators", 2014.
void cts_fill(void *memory, size_t count, uint64_t seed) {
    unsigned char *bytes = memory;
    for (size_t place = 0; place < count; place += 8) {
        seed += 0x9e3779b97f4a7c15;
        uint64_t mixed = (seed ^ (seed >> 30)) * 0xbf58476d1ce4e5b9;
        mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
        mixed ^= mixed >> 31;
        memcpy(bytes + place, &mixed, count - place < 8 ? count - place : 8);
    }
}

ptrdiff_t cts_take_changes(const void *now, void *former, const void *allowed, size_t count) {
    const unsigned char *new = now, *old = former, *may = allowed;
    ptrdiff_t first = -1;
    for (size_t place = 0; place < count && first < 0; place++)
        if (new[place] != old[place] && may[place] == 0) first = (ptrdiff_t)place;
    memcpy(former, now, count);
    return first;
}
