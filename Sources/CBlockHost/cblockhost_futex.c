#define _GNU_SOURCE
#include "cblockhost_futex.h"

#include <errno.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int cblockhost_futex_wait(const uint32_t *word, uint32_t expected, int64_t nanoseconds) {
    struct timespec limit = {nanoseconds / 1000000000, nanoseconds % 1000000000};
    long result = syscall(
        SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, nanoseconds < 0 ? NULL : &limit, NULL, 0);
    return result < 0 ? -errno : 0;
}

void cblockhost_futex_advance(uint32_t *word) { __atomic_add_fetch(word, 1, __ATOMIC_RELEASE); }

void cblockhost_futex_wake(const uint32_t *word, int count) {
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

uint32_t cblockhost_futex_read(const uint32_t *word) {
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

bool cblockhost_futex_spin(const uint32_t *word, uint32_t seen, int rounds) {
    for (int round = 0; round < rounds; round++) {
        if (__atomic_load_n(word, __ATOMIC_ACQUIRE) != seen) return true;
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        __asm__ volatile("isb");
#endif
    }
    return false;
}
