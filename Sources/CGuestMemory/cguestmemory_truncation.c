#define _GNU_SOURCE
#include "CGuestMemory.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>

// The handler may run on any thread at any moment, so it takes no lock: a slot is valid when its
// end is not 0, and the end is written last and cleared first.
#define SLOTS 4096
#define PAGE ((uintptr_t)4096)

static struct {
    _Atomic uintptr_t base, end;
} watched[SLOTS];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct sigaction former;
static bool is_installed;
// Volatile: changed by a handler in the middle of a copy.
static _Thread_local volatile unsigned long losses;

unsigned long cguestmemory_losses(void) { return losses; }

// Zeroes in place of the page, or of all of a mapping whose pages are larger.
static bool replace(uintptr_t address) {
    for (int slot = 0; slot < SLOTS; slot++) {
        uintptr_t end = atomic_load(&watched[slot].end);
        uintptr_t base = atomic_load(&watched[slot].base);
        if (end == 0 || address < base || address >= end) continue;
        const int protection = PROT_READ | PROT_WRITE;
        const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
        if (mmap((void *)(address & ~(PAGE - 1)), PAGE, protection, flags, -1, 0) != MAP_FAILED ||
            mmap((void *)base, end - base, protection, flags, -1, 0) != MAP_FAILED) {
            losses++;
            return true;
        }
        return false;
    }
    return false;
}

static void handle(int number, siginfo_t *info, void *context) {
    int reason = errno;
    bool is_replaced = info->si_code == BUS_ADRERR && replace((uintptr_t)info->si_addr);
    errno = reason;
    if (is_replaced) return;
    if (former.sa_flags & SA_SIGINFO) {
        former.sa_sigaction(number, info, context);
    } else if (former.sa_handler != SIG_DFL && former.sa_handler != SIG_IGN) {
        former.sa_handler(number);
    } else {
        // The access happens again, and ends the process.
        signal(number, SIG_DFL);
    }
}

int cguestmemory_catch_truncation(void) {
    int result = 0;
    pthread_mutex_lock(&lock);
    if (!is_installed) {
        struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK};
        sigemptyset(&action.sa_mask);
        result = sigaction(SIGBUS, &action, &former) == 0 ? 0 : -errno;
        is_installed = result == 0;
    }
    pthread_mutex_unlock(&lock);
    return result;
}

bool cguestmemory_watch(const void *base, size_t size) {
    bool is_done = false;
    pthread_mutex_lock(&lock);
    for (int slot = 0; slot < SLOTS && !is_done; slot++) {
        if (atomic_load(&watched[slot].end) != 0) continue;
        atomic_store(&watched[slot].base, (uintptr_t)base);
        atomic_store(&watched[slot].end, (uintptr_t)base + size);
        is_done = true;
    }
    pthread_mutex_unlock(&lock);
    return is_done;
}

void cguestmemory_unwatch(const void *base) {
    pthread_mutex_lock(&lock);
    for (int slot = 0; slot < SLOTS; slot++) {
        if (atomic_load(&watched[slot].base) == (uintptr_t)base &&
            atomic_load(&watched[slot].end) != 0) {
            atomic_store(&watched[slot].end, 0);
            break;
        }
    }
    pthread_mutex_unlock(&lock);
}
