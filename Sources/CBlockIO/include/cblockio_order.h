// The order in which the queues of an image see what others store.
#ifndef CBLOCKIO_ORDER_H
#define CBLOCKIO_ORDER_H

/// Keeps the compiler, but not the processor, from moving accesses of memory across this place. It costs no
/// instruction: `cbio_barrier`, called by another thread, does the rest.
static inline void cbio_keep_order(void) { __atomic_signal_fence(__ATOMIC_SEQ_CST); }

/// Prepares the process for `cbio_barrier`. 0, or -errno where the system has no such call or forbids it.
int cbio_prepare_barrier(void);

/// membarrier(2) with MEMBARRIER_CMD_PRIVATE_EXPEDITED: when it has succeeded, each thread of the process has
/// passed a memory barrier since the call. 0, or -errno.
int cbio_barrier(void);

#endif
