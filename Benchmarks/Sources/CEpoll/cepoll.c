#include "cepoll.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

int cep_create(int descriptor) {
    int set = epoll_create1(EPOLL_CLOEXEC);
    if (set < 0) return -errno;
    struct epoll_event event = {.events = EPOLLIN};
    if (epoll_ctl(set, EPOLL_CTL_ADD, descriptor, &event) < 0) {
        int error = errno;
        close(set);
        return -error;
    }
    return set;
}

int cep_wait(int set) {
    struct epoll_event event;
    return epoll_wait(set, &event, 1, -1) < 0 ? -errno : 0;
}
