#ifndef CTS_SOCKET_H
#define CTS_SOCKET_H

#include <stddef.h>
#include <sys/types.h>

/// A connected pair of stream sockets, close-on-exec: 0 or -errno.
int cts_socketpair(int *_Nonnull ends);

/// Sends all of the bytes, the descriptors with the first of them (SCM_RIGHTS); the number of bytes
/// or -errno.
ssize_t cts_send(int socket, const void *_Nonnull bytes, size_t count, const int *_Nullable descriptors,
                 size_t number);

/// Receives at most `count` bytes without waiting, and up to `room` descriptors with them (SCM_RIGHTS):
/// the number of bytes, 0 at the end, or -errno.
ssize_t cts_receive(int socket, void *_Nonnull bytes, size_t count, int *_Nonnull descriptors,
                    size_t room, size_t *_Nonnull received);

/// connect(2) to a UNIX socket: a descriptor or -errno.
int cts_connect(const char *_Nonnull path);

/// A new memfd, close-on-exec, with sealing allowed: a descriptor or -errno.
int cts_memfd(size_t size);

/// The same of huge pages of 2 MiB.
int cts_memfd_huge(size_t size);

/// A new non-blocking eventfd, close-on-exec: a descriptor or -errno.
int cts_eventfd(void);

/// A UNIX socket that listens at `path`: a descriptor or -errno.
int cts_listen(const char *_Nonnull path);

/// Leaves a socket at `path` that nobody listens at: 0 or -errno.
int cts_leave_socket(const char *_Nonnull path);

/// Seals a memfd against becoming shorter: 0 or -errno.
int cts_seal_shrink(int descriptor);

#endif
