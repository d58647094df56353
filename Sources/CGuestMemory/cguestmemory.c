#define _GNU_SOURCE
#include "CGuestMemory.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/vfs.h>

int cguestmemory_memfd(const char *name) {
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    return fd < 0 ? -errno : fd;
}

int cguestmemory_seal(int descriptor) {
    const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    return fcntl(descriptor, F_ADD_SEALS, seals) == 0 ? 0 : -errno;
}

long cguestmemory_huge_page_size(int fd) {
    struct statfs status;
    if (fstatfs(fd, &status) < 0) return -errno;
    return status.f_type == HUGETLBFS_MAGIC ? (long)status.f_bsize : 0;
}

_Thread_local const struct cguestmemory_entry *cguestmemory_innermost;

void cguestmemory_enter(struct cguestmemory_entry *entry, const void *guard) {
    entry->guard = guard;
    entry->outer = cguestmemory_innermost;
    cguestmemory_innermost = entry;
}

void cguestmemory_leave(const struct cguestmemory_entry *entry) {
    cguestmemory_innermost = entry->outer;
}
