#define _GNU_SOURCE
#include "CGuestMemory.h"

#include <linux/membarrier.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static atomic_bool is_registered;

static bool membarrier(int command) { return syscall(SYS_membarrier, command, 0, 0) == 0; }

static void register_process(void) {
    atomic_store(&is_registered, membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED));
}

bool cguestmemory_register_barrier(void) {
    pthread_once(&once, register_process);
    return atomic_load(&is_registered);
}

bool cguestmemory_barrier(void) {
    if (membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED)) return true;
    atomic_store(&is_registered, false);
    return false;
}
