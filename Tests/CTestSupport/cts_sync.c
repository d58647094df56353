#define _GNU_SOURCE
#include "cts_sync.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { kept = 8 };

static atomic_bool watching;
static atomic_int count;
static char watched[256];
static struct cts_sync calls[kept];

void cts_sync_watch(const char *path) {
    snprintf(watched, sizeof watched, "%s", path);
    memset(calls, 0, sizeof calls);
    atomic_store(&count, 0);
    atomic_store(&watching, true);
}

int cts_sync_end(void) {
    atomic_store(&watching, false);
    return atomic_load(&count);
}

struct cts_sync cts_sync_call(int number) { return calls[number]; }

int fsync(int fd) {
    if (atomic_load(&watching)) {
        int number = atomic_fetch_add(&count, 1);
        if (number < kept) {
            char link[64];
            snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
            ssize_t length = readlink(link, calls[number].path, sizeof calls[number].path - 1);
            if (length < 0) calls[number].path[0] = 0;
            calls[number].exists = access(watched, F_OK) == 0;
        }
    }
    return (int)syscall(SYS_fsync, fd);
}
