// What the C event loops have in common: arguments, random places, and the report. The loops are what
// Benchmarks/Sources/eventloop is compared with, and they take the same arguments in the same order:
//
//     PROGRAM owned|shared PATH BLOCK-SIZE DEPTH SECONDS|-COUNT OFFSET RANGE
//
// A RANGE of 0 ends with the file or device. -COUNT is a number of reads, for counting system calls.
#ifndef EVENT_LOOP_H
#define EVENT_LOOP_H

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct work {
    bool is_owned;       // one thread uses the ring, and says so to the kernel
    int fd;
    uint64_t offset, blocks;
    size_t block_size;
    unsigned depth;
    char *memory;        // `depth` blocks
    int set;             // of epoll
    uint64_t random;
    uint64_t limit;      // reads, or UINT64_MAX
    double begin, seconds;
    bool has_time;
    uint64_t started, done, wakeups;
};

static inline void fail(const char *what, int error) {
    fprintf(stderr, "event loop: %s: %s\n", what, strerror(error));
    exit(1);
}

static inline double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

// xorshift64 (Marsaglia 2003)
static inline uint64_t next_offset(struct work *work) {
    work->random ^= work->random << 13;
    work->random ^= work->random >> 7;
    work->random ^= work->random << 17;
    uint64_t block = (uint64_t)(((unsigned __int128)work->random * work->blocks) >> 64);
    return work->offset + block * work->block_size;
}

static inline bool may_start(const struct work *work) {
    return work->has_time && work->started < work->limit;
}

static inline void watch(struct work *work, int fd) {
    struct epoll_event event = {.events = EPOLLIN};
    work->set = epoll_create1(EPOLL_CLOEXEC);
    if (work->set < 0 || epoll_ctl(work->set, EPOLL_CTL_ADD, fd, &event) < 0) fail("epoll", errno);
}

// Every call that has returned is a wake-up, interrupted ones too.
static inline void sleep_in_epoll(struct work *work) {
    struct epoll_event event;
    if (epoll_wait(work->set, &event, 1, -1) < 0 && errno != EINTR) fail("epoll_wait", errno);
    work->wakeups++;
    work->has_time = work->limit != UINT64_MAX || now() - work->begin < work->seconds;
}

static inline struct work begin(int count, char **arguments) {
    if (count != 8) {
        fprintf(
            stderr, "usage: %s owned|shared PATH BLOCK-SIZE DEPTH SECONDS|-COUNT OFFSET RANGE\n",
            arguments[0]);
        exit(2);
    }
    struct work work = {
        .random = 88172645463325252, .limit = UINT64_MAX, .has_time = true, .set = -1};
    work.is_owned = !strcmp(arguments[1], "owned");
    if (!work.is_owned && strcmp(arguments[1], "shared")) fail(arguments[1], EINVAL);
    work.fd = open(arguments[2], O_RDONLY | O_DIRECT | O_CLOEXEC);
    if (work.fd < 0) fail(arguments[2], errno);
    work.block_size = strtoul(arguments[3], NULL, 10);
    work.depth = (unsigned)strtoul(arguments[4], NULL, 10);
    double amount = strtod(arguments[5], NULL);
    work.offset = strtoull(arguments[6], NULL, 10);
    uint64_t range = strtoull(arguments[7], NULL, 10), size = 0;
    struct stat status;
    if (fstat(work.fd, &status) < 0) fail(arguments[2], errno);
    if (!S_ISBLK(status.st_mode))
        size = (uint64_t)status.st_size;
    else if (ioctl(work.fd, BLKGETSIZE64, &size) < 0)
        fail(arguments[2], errno);
    if (work.offset >= size || range > size - work.offset) fail("OFFSET and RANGE", EINVAL);
    if (range == 0) range = size - work.offset;
    if (!work.block_size || !work.depth || !amount || range < work.block_size)
        fail("arguments", EINVAL);
    work.blocks = range / work.block_size;
    work.memory = aligned_alloc(4096, (work.block_size * work.depth + 4095) & ~(size_t)4095);
    if (!work.memory) fail("memory", ENOMEM);
    if (amount < 0)
        work.limit = (uint64_t)-amount;
    else
        work.seconds = amount;
    work.begin = now();
    return work;
}

static inline int report(const struct work *work, const char *engine) {
    double elapsed = now() - work->begin;
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e9 +
        (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e3;
    printf(
        "{\"engine\": \"%s\", \"requests\": %llu, \"iops\": %.1f, \"cpu_ns_per_io\": %.1f, "
        "\"wakeups\": %llu}\n",
        engine, (unsigned long long)work->done, (double)work->done / elapsed,
        cpu / (double)work->done, (unsigned long long)work->wakeups);
    if (fflush(stdout) || ferror(stdout)) fail("standard output", errno);
    return 0;
}

#endif
