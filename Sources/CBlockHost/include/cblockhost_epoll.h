// One descriptor for many: epoll(7), which the Glibc module does not have.
#ifndef CBLOCKIO_POLL_H
#define CBLOCKIO_POLL_H

/// epoll_create1(2): a descriptor that is readable when any of its members is, or -errno.
int cbio_poll_group(void);

/// Makes `member` one of them. Returns 0 or -errno.
int cbio_poll_group_add(int group, int member);

/// Takes `member` out again.
void cbio_poll_group_remove(int group, int member);

#endif
