// The mount system calls that take descriptors (Linux 5.2 and later), by syscall(2).
#ifndef CTS_MOUNT_H
#define CTS_MOUNT_H

/// fsopen(2): a file system context. read(2) on it gives the kernel's messages, one a call.
int cts_fsopen(const char *type);

/// fsconfig(2) with FSCONFIG_SET_STRING.
int cts_fsconfig_set(int context, const char *key, const char *value);

/// fsconfig(2) with FSCONFIG_CMD_CREATE.
int cts_fsconfig_create(int context);

/// fsmount(2): a descriptor of the root of a mount that is attached nowhere. It dissolves when the
/// descriptor and every file opened through it are closed.
int cts_fsmount(int context);

#endif
