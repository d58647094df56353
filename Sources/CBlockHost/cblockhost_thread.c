#define _GNU_SOURCE
#include "cblockhost_thread.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>

static const int synchronous[] = {SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP};

int cblockhost_thread_start(size_t stack_size, void *(*body)(void *), void *argument) {
    pthread_attr_t attributes;
    int error = pthread_attr_init(&attributes);
    if (error != 0) return error;
    sigset_t blocked;
    sigfillset(&blocked);
    for (size_t index = 0; index < sizeof(synchronous) / sizeof(*synchronous); index++)
        sigdelset(&blocked, synchronous[index]);
    error = pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    if (error == 0 && stack_size > 0) error = pthread_attr_setstacksize(&attributes, stack_size);
    if (error == 0) {
        // The thread inherits the mask of its creator. pthread_attr_setsigmask_np(3) would say the same, but
        // the address sanitizer puts the creator's mask in its place.
        sigset_t before;
        pthread_t thread;
        pthread_sigmask(SIG_SETMASK, &blocked, &before);
        error = pthread_create(&thread, &attributes, body, argument);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    pthread_attr_destroy(&attributes);
    return error;
}

void cblockhost_thread_set_name(const char *name) { pthread_setname_np(pthread_self(), name); }

_Thread_local uintptr_t cblockhost_thread_number;

uintptr_t cblockhost_number_thread(void) {
    static _Atomic uintptr_t last;
    return cblockhost_thread_number = atomic_fetch_add(&last, 1) + 1;
}

long cblockhost_voluntary_switches(void) {
    struct rusage usage;
    return getrusage(RUSAGE_THREAD, &usage) == 0 ? usage.ru_nvcsw : 0;
}
