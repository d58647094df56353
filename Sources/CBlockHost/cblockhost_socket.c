#define _GNU_SOURCE
#include "cblockhost_socket.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

// As many descriptors as the kernel lets one message have (SCM_MAX_FD), so that none is lost.
#define MOST_DESCRIPTORS 253

ptrdiff_t cblockhost_receive(int socket, void *to, size_t count, int *descriptors, size_t room,
                          size_t *received, bool *lost) {
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(MOST_DESCRIPTORS * sizeof(int))];
    } control;
    struct iovec vector = {to, count};
    struct msghdr message = {.msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    ssize_t result;
    *received = 0;
    do {
        result = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (result < 0 && errno == EINTR);
    if (result < 0) return -errno;
    if (message.msg_flags & MSG_CTRUNC) *lost = true;
    for (struct cmsghdr *part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
        size_t number = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t index = 0; index < number; index++) {
            int descriptor;
            memcpy(&descriptor, CMSG_DATA(part) + index * sizeof(int), sizeof(int));
            if (*received < room) {
                descriptors[*received] = descriptor;
            } else {
                close(descriptor);
            }
            ++*received;
        }
    }
    return result;
}

ptrdiff_t cblockhost_send(int socket, const void *from, size_t count) {
    ssize_t result;
    do {
        result = send(socket, from, count, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (result < 0 && errno == EINTR);
    return result < 0 ? -errno : result;
}

ptrdiff_t cblockhost_send_descriptors(int socket, const void *from, size_t count,
                                      const int *descriptors, size_t number) {
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(8 * sizeof(int))];
    } control;
    struct iovec vector = {(void *)from, count};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    if (number > 8) return -E2BIG;
    if (number > 0) {
        memset(&control, 0, sizeof(control));
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(number * sizeof(int));
        control.header = (struct cmsghdr){.cmsg_len = CMSG_LEN(number * sizeof(int)),
                                          .cmsg_level = SOL_SOCKET,
                                          .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.header), descriptors, number * sizeof(int));
    }
    ssize_t result;
    do {
        result = sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (result < 0 && errno == EINTR);
    return result < 0 ? -errno : result;
}

int cblockhost_is_listening(int socket) {
    int answer;
    socklen_t size = sizeof(answer);
    return getsockopt(socket, SOL_SOCKET, SO_ACCEPTCONN, &answer, &size) < 0 ? -errno : answer != 0;
}

bool cblockhost_signal(int event) {
    struct pollfd room = {.fd = event, .events = POLLOUT};
    uint64_t one = 1;
    return poll(&room, 1, 0) == 1 && (room.revents & POLLOUT) &&
           write(event, &one, sizeof(one)) == sizeof(one);
}

bool cblockhost_take(int event) {
    uint64_t count;
    struct iovec vector = {&count, sizeof(count)};
    ssize_t result = preadv2(event, &vector, 1, -1, RWF_NOWAIT);
    // Before Linux 5.8.
    if (result < 0 && errno == EOPNOTSUPP) result = read(event, &count, sizeof(count));
    return result == sizeof(count);
}

// Whether the socket at the address is a left-over of somebody who listens no more.
static int is_abandoned(const struct sockaddr_un *address) {
    struct stat status;
    if (lstat(address->sun_path, &status) != 0 || !S_ISSOCK(status.st_mode)) return 0;
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (probe < 0) return 0;
    int result = connect(probe, (const struct sockaddr *)address, sizeof(*address));
    int reason = errno;
    close(probe);
    return result < 0 && reason == ECONNREFUSED;
}

int cblockhost_listen(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address.sun_path)) return -ENAMETOOLONG;
    strcpy(address.sun_path, path);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener < 0) return -errno;
    int result = bind(listener, (const struct sockaddr *)&address, sizeof(address));
    if (result < 0 && errno == EADDRINUSE && is_abandoned(&address)) {
        unlink(path);
        result = bind(listener, (const struct sockaddr *)&address, sizeof(address));
    }
    if (result < 0 || listen(listener, 1) < 0) {
        int reason = errno;
        close(listener);
        return -reason;
    }
    return listener;
}

int cblockhost_accept(int listener) {
    int result = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    return result < 0 ? -errno : result;
}
