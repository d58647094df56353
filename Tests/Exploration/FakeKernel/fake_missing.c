// What liburing 2.3 exports and the fake does not have. A call would otherwise go to the library, which
// knows nothing of these rings.
#include <stdio.h>
#include <stdlib.h>

#define MISSING(name)                                                  \
    void name(void);                                                   \
    void name(void) {                                                  \
        fprintf(stderr, "the fake kernel does not have %s\n", #name);  \
        abort();                                                       \
    }

MISSING(__io_uring_sqring_wait)
MISSING(io_uring_enter)
MISSING(io_uring_enter2)
MISSING(io_uring_free_probe)
MISSING(io_uring_get_probe)
MISSING(io_uring_get_probe_ring)
MISSING(io_uring_get_sqe)
MISSING(io_uring_mlock_size)
MISSING(io_uring_mlock_size_params)
MISSING(io_uring_peek_batch_cqe)
MISSING(io_uring_queue_init)
MISSING(io_uring_queue_mmap)
MISSING(io_uring_register_buf_ring)
MISSING(io_uring_register_buffers)
MISSING(io_uring_register_buffers_sparse)
MISSING(io_uring_register_buffers_tags)
MISSING(io_uring_register_buffers_update_tag)
MISSING(io_uring_register_eventfd_async)
MISSING(io_uring_register_file_alloc_range)
MISSING(io_uring_register_files_sparse)
MISSING(io_uring_register_files_tags)
MISSING(io_uring_register_files_update)
MISSING(io_uring_register_files_update_tag)
MISSING(io_uring_register_iowq_aff)
MISSING(io_uring_register_iowq_max_workers)
MISSING(io_uring_register_personality)
MISSING(io_uring_register_sync_cancel)
MISSING(io_uring_ring_dontfork)
MISSING(io_uring_setup)
MISSING(io_uring_unregister_buf_ring)
MISSING(io_uring_unregister_buffers)
MISSING(io_uring_unregister_eventfd)
MISSING(io_uring_unregister_iowq_aff)
MISSING(io_uring_unregister_personality)
MISSING(io_uring_unregister_ring_fd)
MISSING(io_uring_wait_cqe_timeout)
MISSING(io_uring_wait_cqes)
MISSING(io_cancel)
MISSING(io_pgetevents)
