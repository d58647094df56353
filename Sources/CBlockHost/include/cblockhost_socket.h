// Stream sockets that carry descriptors, and eventfds that another process has too.
#ifndef CBLOCKHOST_SOCKET_H
#define CBLOCKHOST_SOCKET_H

#include <stdbool.h>
#include <stddef.h>

/// Receives at most `count` bytes without waiting, and the descriptors that came with them
/// (recvmsg(2) with MSG_CMSG_CLOEXEC). The first `room` descriptors are stored and `*received` says
/// how many came; those beyond are closed. `*lost` is set when there were some that this process could
/// not have. The number of bytes, 0 at the end, or -errno.
ptrdiff_t cblockhost_receive(int socket, void *_Nonnull to, size_t count, int *_Nonnull descriptors,
                          size_t room, size_t *_Nonnull received, bool *_Nonnull lost);

/// Sends what the kernel takes without waiting: the number of bytes, or -errno. A peer that is gone
/// is EPIPE and no signal.
ptrdiff_t cblockhost_send(int socket, const void *_Nonnull from, size_t count);

/// Adds 1 to an eventfd(2); false when it would have to wait. Whoever else has the eventfd may make
/// it a waiting one at any time, so O_NONBLOCK alone does not do.
bool cblockhost_signal(int event);

/// Takes what an eventfd(2) has counted, without waiting (RWF_NOWAIT); false when that is nothing.
bool cblockhost_take(int event);

/// A socket that listens at `path` for one peer at a time, where a socket that nobody listens at any
/// more is replaced; or -errno.
int cblockhost_listen(const char *_Nonnull path);

/// Sends all of the bytes and the descriptors with the first of them (sendmsg(2), SCM_RIGHTS) without
/// waiting: the number of bytes, which may be less than `count`, or -errno. At most 8 descriptors.
ptrdiff_t cblockhost_send_descriptors(int socket, const void *_Nonnull from, size_t count,
                                      const int *_Nonnull descriptors, size_t number);

/// Whether a socket listens (SO_ACCEPTCONN): 1, 0 or -errno.
int cblockhost_is_listening(int socket);

/// The next peer (accept4(2)), or -errno.
int cblockhost_accept(int listener);

#endif
