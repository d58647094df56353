// Stream sockets that carry descriptors, and eventfds that another process has too.
#ifndef CBLOCKHOST_SOCKET_H
#define CBLOCKHOST_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Receives at most `count` bytes without waiting, and the descriptors that came with them
/// (recvmsg(2) with MSG_CMSG_CLOEXEC). The first `room` descriptors are stored and `*received` says
/// how many came; those beyond are closed. `*lost` is set when there were some that this process could
/// not have. The number of bytes, 0 at the end, or -errno.
ptrdiff_t cblockhost_receive(int socket, void *_Nonnull to, size_t count, int *_Nonnull descriptors,
                          size_t room, size_t *_Nonnull received, bool *_Nonnull lost);

/// Sends what the kernel takes without waiting: the number of bytes, or -errno. A peer that is gone
/// is EPIPE and no signal.
ptrdiff_t cblockhost_send(int socket, const void *_Nonnull from, size_t count);

/// Sets O_NONBLOCK for all processes that have the open file: 0 or -errno.
int cblockhost_set_nonblocking(int descriptor);

/// Makes an eventfd(2) that another process has given one that does not wait (O_NONBLOCK): 0 or -errno, which
/// is EINVAL when it is something else, in which a read or a write could wait. Without /proc, what has no type of
/// file (st_mode) is taken for an eventfd.
int cblockhost_prepare_event(int descriptor);

/// Adds 1 to an eventfd(2); false when it would have to wait. Whoever else has the eventfd may make
/// it a waiting one at any time, and may fill it between a look and a write(2), so the kernel adds the 1 at the
/// end of an asynchronous operation (IOCB_FLAG_RESFD). Only without these (before Linux 5.8, or where io_setup(2)
/// or io_submit(2) is forbidden) write(2) does it, and can wait then.
bool cblockhost_signal(int event);

/// The same by write(2), without a look: it waits while the eventfd is a waiting one and full.
bool cblockhost_signal_unchecked(int event);

/// Makes room in an eventfd(2) that is full, so that whoever waits in write(2) goes on; many times, for a
/// process that fills it again at once. If it is not full, nothing is taken.
void cblockhost_make_room(int event);

/// A descriptor of the same open file, close-on-exec, or -errno.
int cblockhost_duplicate(int descriptor);

/// Takes what an eventfd(2) has counted, without waiting (RWF_NOWAIT); false when that is nothing.
bool cblockhost_take(int event);

/// What identifies a file while somebody uses it.
typedef struct {
    uint64_t device;
    uint64_t inode;
} cblockhost_file;

/// A socket that listens at `path` for one peer at a time, where a socket that nobody listens at any
/// more is replaced; or -errno, which is EADDRINUSE if anything else is there. The socket listens before it
/// has its path (it is bound at another name), so that no other caller takes it for one that is abandoned. `file` is
/// set to what is at the path then.
int cblockhost_listen(const char *_Nonnull path, cblockhost_file *_Nonnull file);

/// Removes `path`, unless something else than `file` is there by now, such as the socket of a successor.
void cblockhost_remove(const char *_Nonnull path, cblockhost_file file);

/// Sends all of the bytes and the descriptors with the first of them (sendmsg(2), SCM_RIGHTS) without
/// waiting: the number of bytes, which may be less than `count`, or -errno. At most 8 descriptors.
ptrdiff_t cblockhost_send_descriptors(int socket, const void *_Nonnull from, size_t count,
                                      const int *_Nonnull descriptors, size_t number);

/// Whether a socket listens (SO_ACCEPTCONN): 1, 0 or -errno.
int cblockhost_is_listening(int socket);

/// The next peer (accept4(2)), or -errno.
int cblockhost_accept(int listener);

#endif
