// io_uring through liburing, one ring a queue, its files registered.
#ifndef CBLOCKIO_URING_H
#define CBLOCKIO_URING_H

#include <stdbool.h>
#include <stdint.h>

#include "cblockio_submission.h"

struct cbio_uring;
struct iovec;

/// What a ring is to be.
struct cbio_uring_setup {
    uint32_t entries;
    /// One thread uses the ring: SINGLE_ISSUER and DEFER_TASKRUN, each unless the kernel does not know it. The
    /// ring stays disabled until `cbio_uring_enable`.
    bool single_owner;
    /// IORING_SETUP_IOPOLL.
    bool polls_device;
    /// IORING_SETUP_SQPOLL: for how many milliseconds the thread stays awake; 0 for no thread.
    uint32_t submission_thread_idle;
};

/// What a ring got of what was asked for.
struct cbio_uring_features {
    bool single_issuer;
    bool defer_taskrun;
    bool registered_files;
    bool registered_ring;
    bool vectored_registered_memory;  // lists of several elements can name registered memory
    bool waits_with_limit;  // io_uring_enter(2) takes a timeout: IORING_FEAT_EXT_ARG, Linux 5.11
    uint32_t submission_entries;
    uint32_t completion_entries;
};

/// io_uring_setup(2) over `count` files, 1 to 255, whose descriptors are in `fds`; a submission names its file
/// by the index there. Transfers of a file with `blocks` go to a worker thread of the kernel at once
/// (IOSQE_ASYNC). Returns 0 or -errno.
int cbio_uring_create(
    struct cbio_uring **out, const int *fds, const bool *blocks, uint32_t count,
    struct cbio_uring_setup setup);

/// Enables a disabled ring for the calling thread, its only user from then on, and registers
/// the ring's descriptor for it. Returns 0 or -errno.
int cbio_uring_enable(struct cbio_uring *ring);

void cbio_uring_destroy(struct cbio_uring *ring);

struct cbio_uring_features cbio_uring_features(const struct cbio_uring *ring);

/// The ring's descriptor: readable while there are completions, except under DEFER_TASKRUN, where
/// none are posted before the owner enters the kernel.
int cbio_uring_descriptor(const struct cbio_uring *ring);

/// IORING_REGISTER_BUFFERS, in place of those before: transfers whose memory lies in one of the regions go
/// without mapping it each time; lists of several elements only where the kernel has IORING_OP_READV_FIXED
/// (Linux 6.15). The regions are sorted by address, do not overlap, and none is larger than 1 GiB. With a
/// count of 0 there are none. Returns 0 or -errno.
int cbio_uring_register_memory(
    struct cbio_uring *ring, const struct iovec *regions, uint32_t count);

/// IORING_REGISTER_EVENTFD: signalled at completions, under DEFER_TASKRUN when there are some to be
/// posted and there were none before. Returns 0 or -errno.
int cbio_uring_register_eventfd(struct cbio_uring *ring, int event_fd);

/// Whether completions wait to be posted, for which the kernel has to be entered.
bool cbio_uring_has_unposted(const struct cbio_uring *ring);

/// Whether completions are there that have not been reaped.
bool cbio_uring_is_posted(const struct cbio_uring *ring);

/// Either of the two.
bool cbio_uring_has_more(const struct cbio_uring *ring);

/// The same, asked up to `rounds` times, about 50 ns apart, until it is so.
bool cbio_uring_look(const struct cbio_uring *ring, uint32_t rounds);

/// Tries a ring for which no request has been made: asks for the opcodes that this library uses
/// (IORING_REGISTER_PROBE), then submits a request that does nothing and waits for it. Returns 0,
/// -EOPNOTSUPP when the kernel lacks an opcode, or another -errno; `call` names the system call that
/// failed.
int cbio_uring_probe(struct cbio_uring *ring, const char **call);

/// Fills submission entries for the submissions from `first` on, up to `limit` of them, one that is
/// for threads, the end, or until the ring is full. Lists of one element become reads and writes of
/// one buffer, which spare the kernel a copy of the list. Returns their number and the submission
/// `behind` them.
uint32_t cbio_uring_prepare(
    struct cbio_uring *ring, struct cbio_submission *first, uint32_t limit,
    struct cbio_submission **behind);
/// One completion without a tag when `wake_fd` becomes readable; false when the ring is full.
bool cbio_uring_prepare_wake(struct cbio_uring *ring, int wake_fd);
/// Asks the kernel to end the request with this tag early; it completes as usual or with
/// -ECANCELED. The asking itself completes with the ring as its tag.
bool cbio_uring_prepare_cancel(struct cbio_uring *ring, void *tag);

/// io_uring_enter(2) for what has been prepared: how many entries the kernel took, or -errno. A thread of the
/// kernel (SQPOLL) that sleeps is woken before it can see the entries; when that is refused, it sees none.
int cbio_uring_submit(struct cbio_uring *ring);

/// The same, and if a thread of the kernel takes the entries (SQPOLL), waits until a full ring has room for
/// another (IORING_ENTER_SQ_WAIT). A signal may end that wait. Returns 0 or more, or -errno.
int cbio_uring_make_room(struct cbio_uring *ring);

/// The same, then waits until `minimum` completions are there, `nanoseconds` (negative: no limit)
/// have passed or a signal came. With `minimum` 0 it enters the kernel only when there is
/// something to submit or completions to be posted. Returns 0 or more, or -errno: -EINTR after a signal,
/// then all that was prepared has been submitted or can be offered again. A signal need not end a wait that has a
/// limit. A ring that polls a device looks for completions again and again until a limit has passed, and does not
/// notice a signal that comes between two looks.
int cbio_uring_submit_and_wait(struct cbio_uring *ring, uint32_t minimum, int64_t nanoseconds);

/// io_uring_enter(2) that submits nothing and has completions posted that wait for that. Returns 0 or
/// -errno.
int cbio_uring_post(struct cbio_uring *ring);

/// Moves everything in the completion ring to `answered`, without a system call. Sets `woken` when the
/// wake was among it.
void cbio_uring_reap(struct cbio_uring *ring, struct cbio_submissions *answered, bool *woken);

/// Takes back the entries that the kernel has not taken: their submissions go to `answered` with the
/// result `error`. Those that a thread of the kernel can see are its own, and complete. Sets `wake` when
/// the poll of the wake event was among those taken back. Returns the number of submissions.
uint32_t cbio_uring_withdraw(
    struct cbio_uring *ring, struct cbio_submissions *answered, int error, bool *wake);

/// Entries prepared but not yet taken by the kernel.
uint32_t cbio_uring_unsubmitted(const struct cbio_uring *ring);

#endif
