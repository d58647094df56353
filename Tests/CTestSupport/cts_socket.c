#define _GNU_SOURCE
#include "cts_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int cts_socketpair(int *ends) {
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0 ? 0 : -errno;
}

ssize_t cts_send(int socket, const void *bytes, size_t count, const int *descriptors,
                 size_t number) {
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(64 * sizeof(int))];
    } control;
    size_t done = 0;
    if (number > 64) return -EINVAL;
    while (done < count) {
        struct iovec vector = {(char *)bytes + done, count - done};
        struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
        if (number > 0 && done == 0) {
            memset(&control, 0, sizeof(control));
            message.msg_control = &control;
            message.msg_controllen = CMSG_SPACE(number * sizeof(int));
            control.header.cmsg_level = SOL_SOCKET;
            control.header.cmsg_type = SCM_RIGHTS;
            control.header.cmsg_len = CMSG_LEN(number * sizeof(int));
            memcpy(CMSG_DATA(&control.header), descriptors, number * sizeof(int));
        }
        ssize_t result = sendmsg(socket, &message, MSG_NOSIGNAL);
        if (result < 0 && errno == EINTR) continue;
        if (result < 0) return -errno;
        done += (size_t)result;
    }
    return (ssize_t)done;
}

ssize_t cts_receive(int socket, void *bytes, size_t count, int *descriptors, size_t room,
                    size_t *received) {
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(64 * sizeof(int))];
    } control;
    struct iovec vector = {bytes, count};
    struct msghdr message = {.msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    *received = 0;
    ssize_t result = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (result < 0) return -errno;
    for (struct cmsghdr *part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
        size_t number = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t index = 0; index < number && *received < room; index++) {
            memcpy(&descriptors[(*received)++], CMSG_DATA(part) + index * sizeof(int), sizeof(int));
        }
    }
    return result;
}

int cts_connect(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address.sun_path)) return -ENAMETOOLONG;
    strcpy(address.sun_path, path);
    int result = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (result < 0) return -errno;
    if (connect(result, (const struct sockaddr *)&address, sizeof(address)) == 0) return result;
    int reason = errno;
    close(result);
    return -reason;
}

static int memory_file(size_t size, unsigned flags) {
    int result = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING | flags);
    if (result < 0) return -errno;
    if (ftruncate(result, (off_t)size) == 0) return result;
    int reason = errno;
    close(result);
    return -reason;
}

int cts_memfd(size_t size) { return memory_file(size, 0); }

int cts_memfd_huge(size_t size) { return memory_file(size, MFD_HUGETLB | MFD_HUGE_2MB); }

int cts_eventfd(void) {
    int result = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return result < 0 ? -errno : result;
}

int cts_leave_socket(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address.sun_path)) return -ENAMETOOLONG;
    strcpy(address.sun_path, path);
    int holder = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (holder < 0) return -errno;
    int result = bind(holder, (const struct sockaddr *)&address, sizeof(address));
    int reason = errno;
    close(holder);
    return result == 0 ? 0 : -reason;
}

int cts_listen(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address.sun_path)) return -ENAMETOOLONG;
    strcpy(address.sun_path, path);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0) return -errno;
    if (bind(listener, (const struct sockaddr *)&address, sizeof(address)) == 0 &&
        listen(listener, 1) == 0) {
        return listener;
    }
    int reason = errno;
    close(listener);
    return -reason;
}

int cts_seal_shrink(int descriptor) {
    return fcntl(descriptor, F_ADD_SEALS, F_SEAL_SHRINK) == 0 ? 0 : -errno;
}
