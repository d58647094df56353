#define _GNU_SOURCE
#include "cblockhost_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
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

int cblockhost_set_nonblocking(int descriptor) {
    int flags = fcntl(descriptor, F_GETFL);
    return flags < 0 || fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
}

// Whether /proc says that a descriptor is something else than an eventfd.
static bool is_known_as_other(int descriptor) {
    static const char expected[] = "anon_inode:[eventfd]";
    char path[32], name[sizeof(expected)];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(path, name, sizeof(name));
    return length >= 0 && (length != sizeof(expected) - 1 || memcmp(name, expected, sizeof(expected) - 1));
}

int cblockhost_prepare_event(int descriptor) {
    struct stat status;
    if (fstat(descriptor, &status) < 0) return -errno;
    // An eventfd has no type of file, as an inotify(7) descriptor, in which read(2) waits, has none.
    if ((status.st_mode & S_IFMT) || is_known_as_other(descriptor)) return -EINVAL;
    return cblockhost_set_nonblocking(descriptor);
}

static bool has_room(int event) {
    struct pollfd room = {.fd = event, .events = POLLOUT};
    return poll(&room, 1, 0) == 1 && (room.revents & POLLOUT);
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static aio_context_t context;

static void make_context(void) {
    // As many as there can be threads between io_submit(2) and io_getevents(2). Without a context, both fail.
    (void)syscall(SYS_io_setup, 128, &context);
}

bool cblockhost_signal(int event) {
    if (!has_room(event)) return false;
    pthread_once(&once, make_context);
    // A read of no bytes, which an eventfd answers at once with an error. The kernel announces the end of it in
    // the eventfd, and unlike write(2) that waits for nobody.
    struct iocb read = {.aio_lio_opcode = IOCB_CMD_PREAD,
                        .aio_fildes = (uint32_t)event,
                        .aio_flags = IOCB_FLAG_RESFD,
                        .aio_resfd = (uint32_t)event};
    struct iocb *reads[] = {&read};
    struct io_event ends[8];
    struct timespec now = {0};
    if (syscall(SYS_io_submit, context, 1L, reads) != 1) return cblockhost_signal_unchecked(event);
    (void)syscall(SYS_io_getevents, context, 0L, 8L, ends, &now);
    return true;
}

bool cblockhost_signal_unchecked(int event) {
    uint64_t one = 1;
    return write(event, &one, sizeof(one)) == sizeof(one);
}

void cblockhost_make_room(int event) {
    if (has_room(event)) return;
    // Whoever fills it may be faster than the thread that waits, but not each time.
    for (int round = 0; round < 1000; round++) {
        if (!has_room(event)) (void)cblockhost_take(event);
    }
}

int cblockhost_duplicate(int descriptor) {
    int copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
    return copy < 0 ? -errno : copy;
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

// A name by chance in the directory of `path`, not longer than the path needs.
static int name_beside(const char *path, struct sockaddr_un *name) {
    const char *slash = strrchr(path, '/');
    size_t directory = slash ? slash + 1 - path : 0;
    size_t room = sizeof(name->sun_path) - 1 - directory;
    uint32_t number;
    char digits[9];
    if (strlen(path) >= sizeof(name->sun_path) || room < 5) return -ENAMETOOLONG;
    if (getrandom(&number, sizeof(number), 0) < 0) return -errno;
    snprintf(digits, sizeof(digits), "%08x", number);
    *name = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(name->sun_path, sizeof(name->sun_path), "%.*s.%.*s", (int)directory, path,
             room < 9 ? (int)room - 1 : 8, digits);
    return 0;
}

// A socket that listens at a name that nobody else knows.
static int listen_beside(const char *path, struct sockaddr_un *name) {
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener < 0) return -errno;
    int result;
    do {
        result = name_beside(path, name);
        if (result == 0 && bind(listener, (const struct sockaddr *)name, sizeof(*name)) < 0)
            result = -errno;
    } while (result == -EADDRINUSE);
    if (result == 0 && listen(listener, 1) < 0) {
        result = -errno;
        unlink(name->sun_path);
    }
    if (result < 0) close(listener);
    return result < 0 ? result : listener;
}

// Takes an abandoned socket away from its path. Another program may have replaced it since somebody looked, so it is
// looked at again under a name that nobody else knows, and put back if it is not abandoned.
static bool take_away(const struct sockaddr_un *address) {
    struct sockaddr_un aside;
    if (name_beside(address->sun_path, &aside) < 0) return false;
    if (rename(address->sun_path, aside.sun_path) < 0) return errno == ENOENT;
    int result = is_abandoned(&aside);
    if (!result) (void)!link(aside.sun_path, address->sun_path);
    unlink(aside.sun_path);
    return result;
}

static bool identify(const char *path, cblockhost_file *file) {
    struct stat status;
    if (lstat(path, &status) < 0) return false;
    *file = (cblockhost_file){.device = status.st_dev, .inode = status.st_ino};
    return true;
}

int cblockhost_listen(const char *path, cblockhost_file *file) {
    struct sockaddr_un address = {.sun_family = AF_UNIX}, name;
    int listener = listen_beside(path, &name);
    if (listener < 0) return listener;
    strcpy(address.sun_path, path);
    int reason;
    do {
        reason = !identify(name.sun_path, file) || link(name.sun_path, path) < 0 ? errno : 0;
    } while (reason == EEXIST && is_abandoned(&address) && take_away(&address));
    unlink(name.sun_path);
    if (reason == 0) return listener;
    close(listener);
    return reason == EEXIST ? -EADDRINUSE : -reason;
}

void cblockhost_remove(const char *path, cblockhost_file file) {
    cblockhost_file present;
    if (identify(path, &present) && present.device == file.device && present.inode == file.inode)
        unlink(path);
}

int cblockhost_accept(int listener) {
    int result = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    return result < 0 ? -errno : result;
}
