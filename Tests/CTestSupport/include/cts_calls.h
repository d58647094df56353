// Faults of the functions that the library calls in the C library, liburing and libaio.
//
// The test program defines these functions itself. Its definitions take precedence over those of
// the shared libraries, to which they pass every call on, unless a fault is set. That also holds for
// code of this process that is not the library's, so faults last no longer than necessary.
//
// The system calls themselves are not replaced: what the kernel does for io_uring and libaio is out
// of reach, and a lasting error of io_uring_enter(2) is a matter for a seccomp(2) filter.
#ifndef CTS_CALLS_H
#define CTS_CALLS_H

#include <stdbool.h>
#include <stdint.h>

/// A group of functions.
enum cts_call {
    /// io_uring_submit(3) and the other calls that submit, while there is something to submit.
    CTS_CALL_URING_SUBMIT,
    /// io_uring_get_events(3), and io_uring_submit_and_get_events(3) while there is nothing to submit. One
    /// that fails is not made and answers 0 all the same: in a visit to the kernel there may be steps to do of
    /// which none completes anything.
    CTS_CALL_URING_VISIT,
    /// io_submit(2).
    CTS_CALL_AIO_SUBMIT,
    /// fdatasync(2).
    CTS_CALL_FDATASYNC,
    /// pread(2) and preadv2(2).
    CTS_CALL_READ,
    /// pwrite(2) and pwritev2(2).
    CTS_CALL_WRITE,
    /// fallocate(2).
    CTS_CALL_FALLOCATE,
    /// ftruncate(2).
    CTS_CALL_TRUNCATE,
    /// pthread_create(3), called by the test program itself and not by a shared library.
    CTS_CALL_CREATE_THREAD,
    /// listen(2).
    CTS_CALL_LISTEN,
    /// accept4(2).
    CTS_CALL_ACCEPT,
    /// rename(2).
    CTS_CALL_RENAME,
    /// unlink(2).
    CTS_CALL_UNLINK,
    CTS_CALL_COUNT,
};

/// What happens to calls of a group.
struct cts_fault {
    /// The errno that the call fails with, without being made. 0: it is made.
    int error;
    /// How many calls are concerned; negative: all of them.
    int64_t count;
    /// Calls wait, before they fail or are made, until `cts_calls_release` or so many milliseconds
    /// have passed. One with RWF_NOWAIT fails with EAGAIN meanwhile.
    int64_t hold_milliseconds;
    /// For transfers and fallocate(2): only those that begin at these bytes. Equal: all of them.
    uint64_t start, end;
    /// For io_submit(2): no more than so many requests are taken by a call. 0: no limit.
    int64_t limit;
};

/// What has happened since a fault was set.
struct cts_call_counts {
    /// Calls, concerned or not.
    uint64_t calls;
    /// Calls that the fault concerned.
    uint64_t struck;
    /// Reads and writes that io_uring or libaio took.
    uint64_t transfers;
    /// Calls that wait now.
    uint64_t held;
};

/// False under a sanitizer that replaces the same functions itself: then a fault has no effect.
bool cts_call_is_covered(enum cts_call call);

/// Sets a fault, in place of an earlier one, and sets the counts to 0. A fault with `count` 0 only
/// counts.
void cts_calls_set(enum cts_call call, struct cts_fault fault);

/// Ends the waiting of the calls of a group, of those to come as well.
void cts_calls_release(enum cts_call call);

/// Takes all faults away and ends all waiting.
void cts_calls_clear(void);

struct cts_call_counts cts_calls_counts(enum cts_call call);

/// Sets IORING_SQ_TASKRUN again at the end of each call that has completions posted: a kernel that has made
/// the last one known sets the flag a moment later, perhaps when that has been posted already. Until
/// `cts_calls_clear`.
void cts_calls_leave_taskrun(void);

/// From the next io_uring_submit(3) on, a ring with IORING_SETUP_SQPOLL looks as if the kernel's thread took
/// nothing: until somebody waits for room (io_uring_sqring_wait(3)), `submissions` calls have been made, or
/// `cts_calls_clear`. For one ring.
void cts_calls_hold_submission_thread(int64_t submissions);

/// Lets rings that are set up from now on lack IORING_FEAT_EXT_ARG, as before Linux 5.11.
void cts_calls_mask_ext_arg(bool mask);

#endif
