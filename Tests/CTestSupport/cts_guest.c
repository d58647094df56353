#include "cts_guest.h"

#define UNCHECKED __attribute__((no_sanitize("thread")))

UNCHECKED void cts_guest_store(void *address, uint64_t value) {
    *(volatile uint64_t *)address = value;
}

UNCHECKED uint64_t cts_guest_load(const void *address) {
    return *(const volatile uint64_t *)address;
}

UNCHECKED void cts_guest_store_lines(void *address, size_t lines, uint64_t value) {
    volatile uint64_t *line = address;
    for (; lines > 0; lines--, line += 8) *line = value;
}
