#define _GNU_SOURCE
#include "cts_mount.h"

#include <errno.h>
#include <linux/mount.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

static int result(long value) {
    return value < 0 ? -errno : (int)value;
}

int cts_fsopen(const char *type) {
    return result(syscall(SYS_fsopen, type, FSOPEN_CLOEXEC));
}

int cts_fsconfig_set(int context, const char *key, const char *value) {
    return result(syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, key, value, 0));
}

int cts_fsconfig_create(int context) {
    return result(syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
}

int cts_fsmount(int context) {
    return result(syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, 0));
}
