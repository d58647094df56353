#ifndef CGUESTMEMORY_H
#define CGUESTMEMORY_H

#include <stdbool.h>
#include <stddef.h>

/// memfd_create(2) with MFD_CLOEXEC and MFD_ALLOW_SEALING: a descriptor, or -errno.
int cguestmemory_memfd(const char *_Nonnull name);

/// Fixes the size of a memfd for good: 0, or -errno. Others who have it can neither take memory away, nor
/// make it longer, nor add a seal.
int cguestmemory_seal(int descriptor);

/// fstatfs(2): the size of the pages of a file of huge pages (hugetlbfs), 0 for any other file, or
/// -errno.
long cguestmemory_huge_page_size(int fd);

/// fcntl(2), file sealing.
#define CGUESTMEMORY_F_GET_SEALS 1034
#define CGUESTMEMORY_F_SEAL_SHRINK 2

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
