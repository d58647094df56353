#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/magic.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "scheduler.h"

// Calls from shared libraries, such as the Swift runtime, are none of the pool's: they keep to the C
// library, and no thread of a schedule is ever stopped inside one.
extern char __executable_start, etext;

#define IS_EXPLORED                                                        \
    (is_explored() && (char *)__builtin_return_address(0) >= &__executable_start && \
     (char *)__builtin_return_address(0) < &etext)

#define REAL(name) ((__typeof__(&name))real(&pointer_to_##name, #name))
#define POINTER(name) static void *pointer_to_##name

static void *real(void **place, const char *name) {
    if (!*place) *place = dlsym(RTLD_NEXT, name);
    if (!*place) abort();
    return *place;
}

POINTER(pthread_mutex_lock);
int pthread_mutex_lock(pthread_mutex_t *mutex) {
    if (!IS_EXPLORED) return REAL(pthread_mutex_lock)(mutex);
    explored_mutex_lock(mutex);
    return 0;
}

POINTER(pthread_mutex_unlock);
int pthread_mutex_unlock(pthread_mutex_t *mutex) {
    if (!IS_EXPLORED) return REAL(pthread_mutex_unlock)(mutex);
    explored_mutex_unlock(mutex);
    return 0;
}

POINTER(pthread_cond_wait);
int pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex) {
    if (!IS_EXPLORED) return REAL(pthread_cond_wait)(condition, mutex);
    explored_condition_wait(condition, mutex);
    return 0;
}

POINTER(pthread_cond_signal);
int pthread_cond_signal(pthread_cond_t *condition) {
    if (!IS_EXPLORED) return REAL(pthread_cond_signal)(condition);
    explored_condition_wake(condition, 1);
    return 0;
}

POINTER(pthread_create);
int pthread_create(
    pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *), void *argument) {
    if (!IS_EXPLORED) return REAL(pthread_create)(thread, attributes, body, argument);
    return explored_create(body, argument);
}

// The coroutines share one thread, which keeps its name.
POINTER(pthread_setname_np);
int pthread_setname_np(pthread_t thread, const char *name) {
    return IS_EXPLORED ? 0 : REAL(pthread_setname_np)(thread, name);
}

POINTER(syscall);
long syscall(long number, ...) {
    va_list list;
    va_start(list, number);
    long words[6];
    for (int i = 0; i < 6; i++) words[i] = va_arg(list, long);
    va_end(list);
    if (IS_EXPLORED && number == SYS_futex) {
        const uint32_t *word = (const uint32_t *)words[0];
        if (words[1] == FUTEX_WAIT_PRIVATE)
            return explored_futex_wait(
                word, (uint32_t)words[2], (const struct timespec *)words[3]);
        if (words[1] == FUTEX_WAKE_PRIVATE) return explored_futex_wake(word, (int)words[2]);
        abort();
    }
    return REAL(syscall)(number, words[0], words[1], words[2], words[3], words[4], words[5]);
}

POINTER(eventfd);
int eventfd(unsigned count, int flags) {
    return IS_EXPLORED ? explored_eventfd() : REAL(eventfd)(count, flags);
}

POINTER(eventfd_write);
int eventfd_write(int fd, eventfd_t value) {
    if (!is_explored_eventfd(fd)) return REAL(eventfd_write)(fd, value);
    explored_eventfd_write(fd, value);
    return 0;
}

POINTER(eventfd_read);
int eventfd_read(int fd, eventfd_t *value) {
    if (!is_explored_eventfd(fd)) return REAL(eventfd_read)(fd, value);
    if (explored_eventfd_read(fd, value)) return 0;
    errno = EAGAIN;
    return -1;
}

POINTER(close);
int close(int fd) {
    if (!is_explored_eventfd(fd)) return REAL(close)(fd);
    explored_eventfd_close(fd);
    return 0;
}

POINTER(clock_gettime);
int clock_gettime(clockid_t clock, struct timespec *now) {
    if (!IS_EXPLORED) return REAL(clock_gettime)(clock, now);
    explored_clock(now);
    return 0;
}

POINTER(getrusage);
int getrusage(__rusage_who_t who, struct rusage *out) {
    int result = REAL(getrusage)(who, out);
    if (IS_EXPLORED) out->ru_nvcsw = explored_sleeps();
    return result;
}

POINTER(sysconf);
long sysconf(int name) {
    if (IS_EXPLORED && name == _SC_NPROCESSORS_ONLN) return explored_settings()->processors;
    return REAL(sysconf)(name);
}

POINTER(fstatfs);
int fstatfs(int fd, struct statfs *out) {
    int result = REAL(fstatfs)(fd, out);
    const struct exploration_settings *settings = explored_settings();
    if (settings) out->f_type = settings->is_in_memory ? TMPFS_MAGIC : EXT4_SUPER_MAGIC;
    return result;
}

// Each schedule makes a queue and frees it: its memory is kept for the next one.
static struct { void *memory; size_t length; } kept_memory;

POINTER(mmap);
void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset) {
    if (IS_EXPLORED && kept_memory.length == length) {
        kept_memory.length = 0;
        return kept_memory.memory;
    }
    return REAL(mmap)(address, length, protection, flags, fd, offset);
}

POINTER(munmap);
int munmap(void *address, size_t length) {
    if (!IS_EXPLORED || kept_memory.length > 0) return REAL(munmap)(address, length);
    kept_memory.memory = address;
    kept_memory.length = length;
    return 0;
}

POINTER(pread);
ssize_t pread(int fd, void *buffer, size_t length, off_t offset) {
    if (!IS_EXPLORED) return REAL(pread)(fd, buffer, length, offset);
    explored_call("pread", offset);
    return (ssize_t)length;
}

POINTER(pwrite);
ssize_t pwrite(int fd, const void *buffer, size_t length, off_t offset) {
    if (!IS_EXPLORED) return REAL(pwrite)(fd, buffer, length, offset);
    explored_call("pwrite", offset);
    return (ssize_t)length;
}

static ssize_t total(const struct iovec *list, int count) {
    size_t length = 0;
    for (int i = 0; i < count; i++) length += list[i].iov_len;
    return (ssize_t)length;
}

POINTER(preadv2);
ssize_t preadv2(int fd, const struct iovec *list, int count, off_t offset, int flags) {
    if (!IS_EXPLORED) return REAL(preadv2)(fd, list, count, offset, flags);
    explored_call("preadv2", offset);
    return total(list, count);
}

POINTER(pwritev2);
ssize_t pwritev2(int fd, const struct iovec *list, int count, off_t offset, int flags) {
    if (!IS_EXPLORED) return REAL(pwritev2)(fd, list, count, offset, flags);
    explored_call("pwritev2", offset);
    return total(list, count);
}

POINTER(fdatasync);
int fdatasync(int fd) {
    if (!IS_EXPLORED) return REAL(fdatasync)(fd);
    explored_call("fdatasync", -1);
    return 0;
}

POINTER(fallocate);
int fallocate(int fd, int mode, off_t offset, off_t length) {
    if (!IS_EXPLORED) return REAL(fallocate)(fd, mode, offset, length);
    explored_call("fallocate", offset);
    return 0;
}
