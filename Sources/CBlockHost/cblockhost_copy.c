#include "cblockhost_memory.h"
#include "cblockhost_guarded.h"

#if defined(__x86_64__)

// What a guest reads and writes in one access is read and written in one access here.
bool cblockhost_copy(void *to, const void *from, size_t count) {
    uintptr_t bits = (uintptr_t)to | (uintptr_t)from;
    switch (count) {
    case 1: return cblockhost_guarded_copy_1(to, from);
    case 2:
        if (bits & 1) break;
        return cblockhost_guarded_copy_2(to, from);
    case 4:
        if (bits & 3) break;
        return cblockhost_guarded_copy_4(to, from);
    case 8:
        if (bits & 7) break;
        return cblockhost_guarded_copy_8(to, from);
    default:
        // Descriptors and the like, for which string instructions start too slowly.
        if (count - 1 >= 512) break;
        if (((bits | count) & 31) == 0) return cblockhost_guarded_copy_words(to, from, count);
        if ((count & 15) == 0) return cblockhost_guarded_copy_blocks(to, from, count);
        if (((bits | count) & 7) == 0) return cblockhost_guarded_copy_longs(to, from, count);
    }
    return cblockhost_guarded_copy_bytes(to, from, count);
}

bool cblockhost_fill(void *to, unsigned char value, size_t count) {
    return cblockhost_guarded_fill(to, value, count);
}

#else

#define UNCHECKED __attribute__((no_sanitize("thread")))

// Without routines that the handler can end, an access is answered with zeroes, and counted.
_Thread_local volatile unsigned long cblockhost_losses;

UNCHECKED static void copy(void *to, const void *from, size_t count) {
    volatile unsigned char *target = to;
    const volatile unsigned char *source = from;
    uintptr_t bits = (uintptr_t)to | (uintptr_t)from;
    if (count == 2 && (bits & 1) == 0) {
        *(volatile uint16_t *)to = *(const volatile uint16_t *)from;
        return;
    }
    if (count == 4 && (bits & 3) == 0) {
        *(volatile uint32_t *)to = *(const volatile uint32_t *)from;
        return;
    }
    while (count > 0 && (((uintptr_t)target | (uintptr_t)source) & 7) != 0) {
        *target++ = *source++;
        count--;
    }
    for (; count >= 8; count -= 8, target += 8, source += 8) {
        *(volatile uint64_t *)target = *(const volatile uint64_t *)source;
    }
    while (count-- > 0) *target++ = *source++;
}

bool cblockhost_copy(void *to, const void *from, size_t count) {
    unsigned long losses = cblockhost_losses;
    copy(to, from, count);
    return cblockhost_losses == losses;
}

bool cblockhost_copy_16(void *to, const void *from) { return cblockhost_copy(to, from, 16); }

bool cblockhost_copy_48(void *to, const void *from) { return cblockhost_copy(to, from, 48); }

bool cblockhost_store_byte(void *to, unsigned char value) { return cblockhost_fill(to, value, 1); }

UNCHECKED bool cblockhost_fill(void *to, unsigned char value, size_t count) {
    unsigned long losses = cblockhost_losses;
    for (volatile unsigned char *target = to; count > 0; count--) *target++ = value;
    return cblockhost_losses == losses;
}

#endif
