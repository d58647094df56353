// The functions of liburing, libaio and the C library that the engines call, for a program that decides
// what they answer. Linked into an executable they take precedence over the shared libraries. Rings
// are plain memory; the kernel is whatever `fake_hooks` says.
#ifndef FAKE_KERNEL_H
#define FAKE_KERNEL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

/// What an operation does.
enum fake_kind {
    FAKE_READ,
    FAKE_WRITE,
    FAKE_SYNC,
    FAKE_ZERO,
    FAKE_TRUNCATE,
};

struct fake_operation {
    enum fake_kind kind;
    /// RWF_DSYNC.
    bool is_durable;
    /// Through a descriptor opened with O_DIRECT.
    bool is_direct;
    const struct iovec *vectors;
    uint32_t vector_count;
    uint64_t position;
    uint64_t length;
};

/// The kernel. All are called on the thread that calls the engine.
struct fake_hooks {
    /// How many of the operations that are offered at once are taken.
    int (*accept)(int offered);
    void (*begin)(void *tag, const struct fake_operation *operation);
    void (*cancel)(void *tag);
    /// Operations that have begun and not ended.
    int (*in_flight)(void);
    /// Ends operations, from `least` to `most` of them.
    void (*end)(int least, int most);
    /// Takes one that has ended; false when there is none.
    bool (*take)(void **tag, int64_t *result);
    /// Does a blocking call.
    int64_t (*perform)(const struct fake_operation *operation);
    /// Whether a wait with a limit ends by it.
    bool (*passes)(void);
    /// A wait would never end.
    void (*hang)(const char *text);
};

/// From now on calls that concern the file of `image_path` go to `hooks`, but for those on
/// `exempt_fd`. Threads are not to be had. The clock (CLOCK_MONOTONIC) stands still but for waits.
void fake_attach(const struct fake_hooks *hooks, const char *image_path, int exempt_fd);

/// All calls go to the system, but for those of rings, which end by themselves.
void fake_detach(void);

/// Says that operations have ended while nobody was in the kernel.
void fake_publish(void);

/// Brings the descriptors up to date before somebody looks at them.
void fake_refresh(void);

/// Whether a ring's flag for completions to be posted is set only when they have been posted already, and
/// stays until the next ones: the kernel sets it after it has made the completions known, perhaps too late.
void fake_uring_set_late(bool late);

/// Keeps freed memory for the next run, which needs the same, instead of giving it back to the system.
void fake_keep_memory(void);

#endif
