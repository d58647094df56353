#define _GNU_SOURCE
#include "cts_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int cts_pipe(int ends[2]) {
    return pipe2(ends, O_CLOEXEC) < 0 ? -errno : 0;
}

/// A close-on-exec copy of `fd` that is none of the standard descriptors.
static int duplicate(int fd) {
    if (fd >= 0) return fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0) return -1;
    int copy = fcntl(null, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    close(null);
    return copy;
}

static int set_attributes(posix_spawnattr_t *attributes, bool own_session) {
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    int flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    if (own_session) flags |= POSIX_SPAWN_SETSID;
    int failure = posix_spawnattr_setsigmask(attributes, &none);
    if (!failure) failure = posix_spawnattr_setsigdefault(attributes, &all);
    if (!failure) failure = posix_spawnattr_setflags(attributes, (short)flags);
    return failure;
}

static int set_actions(posix_spawn_file_actions_t *actions, const int standard[3]) {
    int failure = 0;
    for (int fd = 0; fd < 3 && !failure; fd++)
        failure = posix_spawn_file_actions_adddup2(actions, standard[fd], fd);
    if (!failure) failure = posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1);
    return failure;
}

pid_t cts_spawn(
    const char *path, char *const arguments[], char *const environment[], int input, int output,
    int error, bool own_session) {
    const int given[3] = {input, output, error};
    int standard[3] = {-1, -1, -1};
    int failure = 0;
    for (int i = 0; i < 3 && !failure; i++) {
        standard[i] = duplicate(given[i]);
        if (standard[i] < 0) failure = errno;
    }

    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_init(&actions);
    pid_t child = -1;
    if (!failure) failure = set_attributes(&attributes, own_session);
    if (!failure) failure = set_actions(&actions, standard);
    if (!failure)
        failure = posix_spawn(&child, path, &actions, &attributes, arguments, environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);

    for (int i = 0; i < 3; i++)
        if (standard[i] >= 0) close(standard[i]);
    return failure ? -failure : child;
}

int cts_limit_file_size_of(pid_t child, uint64_t limit) {
    struct rlimit limits = {.rlim_cur = limit, .rlim_max = limit};
    return prlimit(child, RLIMIT_FSIZE, &limits, NULL) < 0 ? -errno : 0;
}

pid_t cts_fork(void) {
    pid_t child = fork();
    return child < 0 ? -errno : child;
}

int cts_wait(pid_t child) {
    int status = 0;
    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR) return -errno;
    }
    return WIFSIGNALED(status) ? 256 + WTERMSIG(status) : WEXITSTATUS(status);
}

int cts_wait_readable(int fd, int milliseconds) {
    struct pollfd poller = {.fd = fd, .events = POLLIN};
    int ready;
    do {
        ready = poll(&poller, 1, milliseconds);
    } while (ready < 0 && errno == EINTR);
    return ready < 0 ? -errno : ready;
}

size_t cts_stack_size(void) {
    pthread_attr_t attributes;
    size_t size = 0;
    if (pthread_getattr_np(pthread_self(), &attributes) != 0) return 0;
    pthread_attr_getstacksize(&attributes, &size);
    pthread_attr_destroy(&attributes);
    return size;
}
