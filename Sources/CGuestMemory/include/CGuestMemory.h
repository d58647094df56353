#ifndef CGUESTMEMORY_H
#define CGUESTMEMORY_H

#include <stdbool.h>
#include <stddef.h>

/// memfd_create(2) with MFD_CLOEXEC: a descriptor, or -errno.
int cguestmemory_memfd(const char *_Nonnull name);

/// fstatfs(2): the size of the pages of a file of huge pages (hugetlbfs), 0 for any other file, or
/// -errno.
long cguestmemory_huge_page_size(int fd);

/// Copies between guest memory and the host's own. Others may write either side meanwhile: each
/// byte is read once and written once, and the thread sanitizer, which would be right to complain
/// about any other memory, does not look. 1, 2, 4 or 8 bytes that are naturally aligned on both
/// sides are one access.
void cguestmemory_copy(void *_Nonnull to, const void *_Nonnull from, size_t count);

/// Fills guest memory with a byte, under the same conditions.
void cguestmemory_fill(void *_Nonnull to, unsigned char value, size_t count);

/// fcntl(2), file sealing.
#define CGUESTMEMORY_F_GET_SEALS 1034
#define CGUESTMEMORY_F_SEAL_SHRINK 2

/// Installs a handler of SIGBUS that puts zeroes where watched memory has none any more: 0, or
/// -errno. Every other SIGBUS is left to the handler there was.
int cguestmemory_catch_truncation(void);

/// Watches memory for that; false when too much is watched already.
bool cguestmemory_watch(const void *_Nonnull base, size_t size);

/// Ends that, before the memory is unmapped.
void cguestmemory_unwatch(const void *_Nonnull base);

/// How often this thread has been given zeroes.
unsigned long cguestmemory_losses(void);

/// Registers the process for ``cguestmemory_barrier``, once; false where membarrier(2) is refused,
/// or has been refused since. The kernel takes longer for it when the process has several threads.
bool cguestmemory_register_barrier(void);

/// membarrier(2), MEMBARRIER_CMD_PRIVATE_EXPEDITED: when this returns true, every other thread of
/// the process has passed a full memory barrier since the call. False where it is refused.
bool cguestmemory_barrier(void);

/// Keeps the compiler from moving accesses to memory across this place; the processor may.
static inline void cguestmemory_compiler_barrier(void) { __asm__ volatile("" : : : "memory"); }

/// A guard that a thread has entered, in the thread's own memory until it leaves.
struct cguestmemory_entry {
    const void *_Nullable guard;
    const struct cguestmemory_entry *_Nullable outer;
};

/// Enters a guard; those that the thread is inside of already stay so.
void cguestmemory_enter(struct cguestmemory_entry *_Nonnull entry, const void *_Nonnull guard);

/// Leaves the guard that the thread entered last.
void cguestmemory_leave(const struct cguestmemory_entry *_Nonnull entry);

/// The one that this thread entered last.
extern _Thread_local const struct cguestmemory_entry *_Nullable cguestmemory_innermost;

/// Whether this thread is inside of a guard.
static inline bool cguestmemory_is_inside(const void *_Nonnull guard) {
    for (const struct cguestmemory_entry *entry = cguestmemory_innermost; entry;
         entry = entry->outer) {
        if (entry->guard == guard) return true;
    }
    return false;
}

#endif
