#define _GNU_SOURCE
#include "cblockhost_memory.h"
#include "cblockhost_guarded.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

// The handler may run on any thread at any moment, so it takes no lock: a watch is valid when its
// end is not 0, and the end is written last and cleared first.
#define WATCHES 4096

struct cblockhost_watch {
    _Atomic uintptr_t base, end;
    // The first address that is lost; UINTPTR_MAX as long as none is.
    _Atomic uintptr_t lost;
};

static struct cblockhost_watch watches[WATCHES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct sigaction former;
static atomic_bool is_installed;
static uintptr_t page_size;
unsigned cblockhost_lost_watches;

// MARK: The handler, which calls only what is async-signal-safe

static struct cblockhost_watch *watch_of(uintptr_t address) {
    for (int index = 0; index < WATCHES; index++) {
        struct cblockhost_watch *watch = &watches[index];
        uintptr_t end = atomic_load(&watch->end);
        if (end != 0 && address >= atomic_load(&watch->base) && address < end) return watch;
    }
    return NULL;
}

// A file that has become shorter has lost everything from some page on.
static void note(struct cblockhost_watch *watch, uintptr_t page) {
    uintptr_t lost = atomic_load(&watch->lost);
    while (page < lost) {
        // Counted before: another thread that finds it noted goes on, and must not find that nothing
        // is lost anywhere.
        bool is_first = lost == UINTPTR_MAX;
        if (is_first) __atomic_add_fetch(&cblockhost_lost_watches, 1, __ATOMIC_RELEASE);
        if (atomic_compare_exchange_strong(&watch->lost, &lost, page)) return;
        if (is_first) __atomic_sub_fetch(&cblockhost_lost_watches, 1, __ATOMIC_RELEASE);
    }
}

// Ends the routine that has met the page, if it is one that can be ended.
static bool leave(ucontext_t *context) {
#if defined(__x86_64__)
    uintptr_t place = (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
    if (place < (uintptr_t)cblockhost_guarded_begin || place >= (uintptr_t)cblockhost_guarded_end)
        return false;
    context->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)cblockhost_guarded_lost;
    return true;
#else
    (void)context;
    cblockhost_losses++;
    return false;
#endif
}

// Zeroes in place of the page, or of all of a mapping whose pages are larger.
static bool replace(struct cblockhost_watch *watch, uintptr_t page) {
    const int protection = PROT_READ | PROT_WRITE;
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
    if (mmap((void *)page, page_size, protection, flags, -1, 0) != MAP_FAILED) return true;
    uintptr_t base = atomic_load(&watch->base), end = atomic_load(&watch->end);
    if (end <= base) return false;
    note(watch, base);
    return mmap((void *)base, end - base, protection, flags, -1, 0) != MAP_FAILED;
}

static bool answer(uintptr_t address, ucontext_t *context) {
    struct cblockhost_watch *watch = watch_of(address);
    if (!watch) return false;
    uintptr_t page = address & ~(page_size - 1);
    // First: nobody may take zeroes for what was there.
    note(watch, page);
    return leave(context) || replace(watch, page);
}

// What would have happened without this handler.
static void pass_on(int number, siginfo_t *info, void *context) {
    if (former.sa_flags & SA_SIGINFO) return former.sa_sigaction(number, info, context);
    if (former.sa_handler != SIG_DFL && former.sa_handler != SIG_IGN)
        return former.sa_handler(number);
    // A fault cannot be ignored; a signal that was sent can (si_code as of sigaction(2)).
    bool is_sent = info->si_code <= 0;
    if (is_sent && former.sa_handler == SIG_IGN) return;
    // The access happens again, or the signal comes again when this returns, and ends the process.
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
    if (is_sent) raise(number);
}

static void handle(int number, siginfo_t *info, void *context) {
    int reason = errno;
    bool is_answered =
        info->si_code == BUS_ADRERR && answer((uintptr_t)info->si_addr, (ucontext_t *)context);
    errno = reason;
    if (!is_answered) pass_on(number, info, context);
}

// MARK: What is watched

int cblockhost_catch_truncation(void) {
    int result = 0;
    pthread_mutex_lock(&lock);
    if (!atomic_load(&is_installed)) {
        page_size = (uintptr_t)sysconf(_SC_PAGESIZE);
        struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK};
        sigemptyset(&action.sa_mask);
        // Before: the handler may run as soon as it is there.
        result = sigaction(SIGBUS, NULL, &former) == 0 && sigaction(SIGBUS, &action, NULL) == 0
            ? 0 : -errno;
        atomic_store(&is_installed, result == 0);
    }
    pthread_mutex_unlock(&lock);
    return result;
}

struct cblockhost_watch *cblockhost_watch(const void *base, size_t size) {
    struct cblockhost_watch *found = NULL;
    pthread_mutex_lock(&lock);
    for (int index = 0; index < WATCHES && !found; index++) {
        if (atomic_load(&watches[index].end) != 0) continue;
        found = &watches[index];
        atomic_store(&found->base, (uintptr_t)base);
        atomic_store(&found->lost, UINTPTR_MAX);
        atomic_store(&found->end, (uintptr_t)base + size);
    }
    pthread_mutex_unlock(&lock);
    return found;
}

void cblockhost_unwatch(struct cblockhost_watch *watch) {
    pthread_mutex_lock(&lock);
    atomic_store(&watch->end, 0);
    if (atomic_load(&watch->lost) != UINTPTR_MAX)
        __atomic_sub_fetch(&cblockhost_lost_watches, 1, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&lock);
}

size_t cblockhost_intact(const struct cblockhost_watch *watch, const void *start, size_t count) {
    uintptr_t lost = atomic_load(&watch->lost), first = (uintptr_t)start;
    if (lost <= first) return 0;
    return lost - first < count ? lost - first : count;
}

void cblockhost_probe(const void *start, size_t count) {
    if (!atomic_load(&is_installed) || count == 0) return;
    const char *next = start, *end = next + count;
    unsigned char byte;
    while (next < end && cblockhost_copy(&byte, next, 1)) {
        next = (const char *)(((uintptr_t)next & ~(page_size - 1)) + page_size);
    }
}
