#include "cblockhost_epoll.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

// Events that one call takes; the others come with the next.
#define MOST_EVENTS 64

int cblockhost_epoll(void) {
    int set = epoll_create1(EPOLL_CLOEXEC);
    return set < 0 ? -errno : set;
}

static int control(int set, int call, int member, bool readable, bool writable, bool edge) {
    struct epoll_event event = {
        .events = (readable ? (uint32_t)EPOLLIN : 0) | (writable ? (uint32_t)EPOLLOUT : 0) |
                  (edge ? (uint32_t)EPOLLET : 0),
        .data.fd = member};
    return epoll_ctl(set, call, member, &event) < 0 ? -errno : 0;
}

int cblockhost_epoll_add(int set, int member, bool readable, bool writable) {
    return control(set, EPOLL_CTL_ADD, member, readable, writable, false);
}

int cblockhost_epoll_add_edge(int set, int member) {
    return control(set, EPOLL_CTL_ADD, member, true, false, true);
}

int cblockhost_epoll_change(int set, int member, bool readable, bool writable) {
    return control(set, EPOLL_CTL_MOD, member, readable, writable, false);
}

void cblockhost_epoll_remove(int set, int member) {
    control(set, EPOLL_CTL_DEL, member, false, false, false);
}

int cblockhost_epoll_wait(int set, int *ready, int room, int milliseconds) {
    struct epoll_event events[MOST_EVENTS];
    int count = epoll_wait(set, events, room < MOST_EVENTS ? room : MOST_EVENTS, milliseconds);
    if (count < 0) return -errno;
    for (int index = 0; index < count; index++) ready[index] = events[index].data.fd;
    return count;
}
