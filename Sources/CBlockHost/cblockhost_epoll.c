#include "cblockio_poll.h"

#include <errno.h>
#include <stddef.h>
#include <sys/epoll.h>

int cbio_poll_group(void) {
    int group = epoll_create1(EPOLL_CLOEXEC);
    return group < 0 ? -errno : group;
}

int cbio_poll_group_add(int group, int member) {
    struct epoll_event event = {.events = EPOLLIN};
    return epoll_ctl(group, EPOLL_CTL_ADD, member, &event) < 0 ? -errno : 0;
}

void cbio_poll_group_remove(int group, int member) {
    struct epoll_event event = {0};
    epoll_ctl(group, EPOLL_CTL_DEL, member, &event);
}
