#define _GNU_SOURCE
#include "CGuestMemory.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/vfs.h>

int cguestmemory_memfd(const char *name) {
    int fd = memfd_create(name, MFD_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

long cguestmemory_huge_page_size(int fd) {
    struct statfs status;
    if (fstatfs(fd, &status) < 0) return -errno;
    return status.f_type == HUGETLBFS_MAGIC ? (long)status.f_bsize : 0;
}

_Thread_local const struct cguestmemory_entry *cguestmemory_innermost;

void cguestmemory_enter(struct cguestmemory_entry *entry, const void *guard) {
    entry->guard = guard;
    entry->outer = cguestmemory_innermost;
    cguestmemory_innermost = entry;
}

void cguestmemory_leave(const struct cguestmemory_entry *entry) {
    cguestmemory_innermost = entry->outer;
}

#define UNCHECKED __attribute__((no_sanitize("thread")))

// What a guest reads and writes in one access is read and written in one access here.
UNCHECKED static int copy_whole(void *to, const void *from, size_t count) {
    uintptr_t bits = (uintptr_t)to | (uintptr_t)from;
    switch (count) {
    case 1:
        *(volatile uint8_t *)to = *(const volatile uint8_t *)from;
        return 1;
    case 2:
        if (bits & 1) return 0;
        *(volatile uint16_t *)to = *(const volatile uint16_t *)from;
        return 1;
    case 4:
        if (bits & 3) return 0;
        *(volatile uint32_t *)to = *(const volatile uint32_t *)from;
        return 1;
    case 8:
        if (bits & 7) return 0;
        *(volatile uint64_t *)to = *(const volatile uint64_t *)from;
        return 1;
    default:
        return 0;
    }
}

#if defined(__x86_64__)

typedef uint64_t words __attribute__((vector_size(16), may_alias));

// Descriptors and the like, for which string instructions start too slowly.
UNCHECKED static int copy_words(void *to, const void *from, size_t count) {
    if (count > 512 || (((uintptr_t)to | (uintptr_t)from | count) & 31) != 0) return 0;
    volatile words *target = to;
    const volatile words *source = from;
    for (; count > 0; count -= 32, target += 2, source += 2) {
        words first = source[0], second = source[1];
        target[0] = first;
        target[1] = second;
    }
    return 1;
}

// String instructions: the compiler can neither tear nor repeat them, no sanitizer intercepts them,
// and with ERMS they are as fast as memcpy(3) for a page and more.
void cguestmemory_copy(void *to, const void *from, size_t count) {
    if (copy_whole(to, from, count) || copy_words(to, from, count)) return;
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
}

void cguestmemory_fill(void *to, unsigned char value, size_t count) {
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(count) : "a"(value) : "memory");
}

#else

UNCHECKED void cguestmemory_copy(void *to, const void *from, size_t count) {
    if (copy_whole(to, from, count)) return;
    volatile unsigned char *target = to;
    const volatile unsigned char *source = from;
    while (count > 0 && (((uintptr_t)target | (uintptr_t)source) & 7) != 0) {
        *target++ = *source++;
        count--;
    }
    for (; count >= 8; count -= 8, target += 8, source += 8) {
        *(volatile uint64_t *)target = *(const volatile uint64_t *)source;
    }
    while (count-- > 0) {
        *target++ = *source++;
    }
}

UNCHECKED void cguestmemory_fill(void *to, unsigned char value, size_t count) {
    for (volatile unsigned char *target = to; count > 0; count--) {
        *target++ = value;
    }
}

#endif
