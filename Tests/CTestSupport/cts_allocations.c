#include "cts_allocations.h"

#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define REPLACED_BY_SANITIZER
#endif
#endif

static atomic_bool counting;
static atomic_uint_fast64_t count;
static atomic_uint_fast64_t bytes;

void cts_allocations_start(void) {
    atomic_store(&count, 0);
    atomic_store(&bytes, 0);
    atomic_store(&counting, true);
}

void cts_allocations_trim(void) {
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

uint64_t cts_allocations_stop(void) {
    atomic_store(&counting, false);
    return atomic_load(&count);
}

uint64_t cts_allocations_bytes(void) { return atomic_load(&bytes); }

#if defined(REPLACED_BY_SANITIZER) || !defined(__GLIBC__)

bool cts_allocations_are_countable(void) { return false; }

#else

bool cts_allocations_are_countable(void) { return true; }

static void note(size_t size) {
    if (!atomic_load_explicit(&counting, memory_order_relaxed)) return;
    atomic_fetch_add(&count, 1);
    atomic_fetch_add(&bytes, size);
}

// glibc's own, under the names that it keeps for replacements like these. free(3) stays as it is.
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t number, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size) {
    note(size);
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size) {
    note(number * size);
    return __libc_calloc(number, size);
}

void *realloc(void *memory, size_t size) {
    note(size);
    return __libc_realloc(memory, size);
}

void *memalign(size_t alignment, size_t size) {
    note(size);
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    note(size);
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size) {
    if (alignment % sizeof(void *) != 0 || alignment == 0 || (alignment & (alignment - 1)) != 0)
        return EINVAL;
    note(size);
    void *made = __libc_memalign(alignment, size);
    if (!made) return ENOMEM;
    *memory = made;
    return 0;
}

#endif
