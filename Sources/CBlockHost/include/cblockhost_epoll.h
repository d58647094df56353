// One descriptor for many: epoll(7), level-triggered unless a function says otherwise.
#ifndef CBLOCKHOST_EPOLL_H
#define CBLOCKHOST_EPOLL_H

#include <stdbool.h>

/// epoll_create1(2), close-on-exec: a descriptor that is readable when any of its members is ready, or
/// -errno.
int cblockhost_epoll(void);

/// Makes `member` one of them, for what it is watched for. Returns 0 or -errno.
int cblockhost_epoll_add(int set, int member, bool readable, bool writable);

/// Makes `member` one of them, edge-triggered and for reading: it is ready once for each time that it
/// becomes readable or is written again. Returns 0 or -errno.
int cblockhost_epoll_add_edge(int set, int member);

/// Watches a member for something else. Returns 0 or -errno.
int cblockhost_epoll_change(int set, int member, bool readable, bool writable);

/// Takes `member` out again.
void cblockhost_epoll_remove(int set, int member);

/// epoll_wait(2): stores up to `room` members that are ready or broken in `ready`. `milliseconds` of -1
/// is no limit. Returns their number or -errno.
int cblockhost_epoll_wait(int set, int *_Nonnull ready, int room, int milliseconds);

#endif
