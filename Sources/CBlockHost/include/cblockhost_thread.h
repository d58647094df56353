// Starting threads, and telling them apart.
#ifndef CBLOCKHOST_THREAD_H
#define CBLOCKHOST_THREAD_H

#include <stddef.h>
#include <stdint.h>

/// pthread_create(3) of a detached thread that calls `body` with `argument`. It blocks every signal
/// but those that a fault of its own raises: SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS and SIGTRAP. (The
/// kernel ends the process when a fault finds its signal blocked, whatever handler there is.)
/// `stack_size` is in bytes, 0 for the system's choice. Returns 0 or an errno.
int cblockhost_thread_start(
    size_t stack_size, void *_Nullable (*_Nonnull body)(void *_Nullable), void *_Nullable argument);

/// Names the calling thread; the kernel keeps up to 15 bytes, and a longer name changes nothing.
void cblockhost_thread_set_name(const char *_Nonnull name);

/// Gives the calling thread a number.
uintptr_t cblockhost_number_thread(void);
extern _Thread_local uintptr_t cblockhost_thread_number
    __attribute__((tls_model("initial-exec")));

/// A number of the calling thread that no other thread of the process ever has. (One that has ended may
/// have had its pthread_self(3).)
static inline uintptr_t cblockhost_thread(void) {
    return cblockhost_thread_number ? cblockhost_thread_number : cblockhost_number_thread();
}

/// How many times the calling thread has slept: its voluntary context switches, getrusage(2).
long cblockhost_voluntary_switches(void);

#endif
