#include "cts_guest.h"

__attribute__((no_sanitize("thread"))) void cts_guest_store(void *address, uint64_t value) {
    *(volatile uint64_t *)address = value;
}
