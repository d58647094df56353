#define _GNU_SOURCE
#include "cblockio_order.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

static int membarrier(int command) {
    return syscall(SYS_membarrier, command, 0, 0) < 0 ? -errno : 0;
}

int cbio_prepare_barrier(void) {
    return membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
}

int cbio_barrier(void) { return membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED); }
