#define _GNU_SOURCE
#include "cbaselines.h"

#include <aio.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct cbl_lists {
    uint32_t depth;
    uint32_t vectors;
    int *files;              // one a slot
    struct aiocb *blocks;    // `vectors` of them a slot
    struct aiocb **entries;  // the same, by address
    sigset_t ends;
    sigset_t mask_before;
};

// glibc serves the requests of one descriptor one after the other, so each list has its own;
// otherwise a depth above 1 would exist on paper only.
static int open_files(struct cbl_lists *self, const char *path, bool writable, bool direct) {
    for (uint32_t slot = 0; slot < self->depth; slot++) self->files[slot] = -1;
    int flags = (writable ? O_RDWR : O_RDONLY) | (direct ? O_DIRECT : 0) | O_CLOEXEC;
    for (uint32_t slot = 0; slot < self->depth; slot++) {
        self->files[slot] =
            slot == 0 ? open(path, flags) : fcntl(self->files[0], F_DUPFD_CLOEXEC, 0);
        if (self->files[slot] < 0) return -errno;
    }
    return 0;
}

int cbl_lists_create(
    struct cbl_lists **out, const char *path, bool writable, bool direct, uint32_t depth,
    uint32_t vectors) {
    // As many threads as a queue's thread pool has, instead of glibc's 20. Effective before the
    // first request of the process.
    struct aioinit limits = {.aio_threads = 64, .aio_num = 64, .aio_idle_time = 1};
    aio_init(&limits);

    struct cbl_lists *self = calloc(1, sizeof *self);
    if (!self) return -ENOMEM;
    self->files = calloc(depth, sizeof *self->files);
    self->blocks = calloc((size_t)depth * vectors, sizeof *self->blocks);
    self->entries = calloc((size_t)depth * vectors, sizeof *self->entries);
    self->vectors = vectors;
    sigemptyset(&self->ends);
    sigaddset(&self->ends, SIGRTMIN);
    pthread_sigmask(SIG_BLOCK, &self->ends, &self->mask_before);
    int error = -ENOMEM;
    if (self->files && self->blocks && self->entries) {
        self->depth = depth;
        error = open_files(self, path, writable, direct);
    }
    if (error < 0) {
        cbl_lists_destroy(self);
        return error;
    }
    *out = self;
    return 0;
}

void cbl_lists_start(
    struct cbl_lists *self, uint32_t slot, const struct iovec *pieces, uint64_t offset,
    bool is_write) {
    struct aiocb *blocks = self->blocks + (size_t)slot * self->vectors;
    struct aiocb **entries = self->entries + (size_t)slot * self->vectors;
    for (uint32_t i = 0; i < self->vectors; i++) {
        blocks[i] = (struct aiocb){
            .aio_fildes = self->files[slot],
            .aio_lio_opcode = is_write ? LIO_WRITE : LIO_READ,
            .aio_buf = pieces[i].iov_base,
            .aio_nbytes = pieces[i].iov_len,
            .aio_offset = (off_t)offset,
            .aio_sigevent.sigev_notify = SIGEV_NONE,
        };
        entries[i] = &blocks[i];
        offset += pieces[i].iov_len;
    }
    struct sigevent end = {
        .sigev_notify = SIGEV_SIGNAL,
        .sigev_signo = SIGRTMIN,
        .sigev_value.sival_int = (int)slot,
    };
    // The signal comes whatever this returns; what failed to start says so in its result.
    (void)!lio_listio(LIO_NOWAIT, entries, (int)self->vectors, &end);
}

int cbl_lists_wait(struct cbl_lists *self, int64_t nanoseconds) {
    struct timespec limit = {nanoseconds / 1000000000, nanoseconds % 1000000000};
    siginfo_t info;
    return sigtimedwait(&self->ends, &info, &limit) < 0 ? -errno : info.si_value.sival_int;
}

int64_t cbl_lists_result(struct cbl_lists *self, uint32_t slot) {
    struct aiocb *blocks = self->blocks + (size_t)slot * self->vectors;
    int64_t moved = 0;
    int error = 0;
    for (uint32_t i = 0; i < self->vectors; i++) {
        int outcome = aio_error(&blocks[i]);
        if (outcome == 0)
            moved += aio_return(&blocks[i]);
        else if (error == 0)
            error = outcome;
    }
    return error ? -error : moved;
}

void cbl_lists_destroy(struct cbl_lists *self) {
    for (uint32_t slot = 0; slot < self->depth; slot++)
        if (self->files[slot] >= 0) close(self->files[slot]);
    pthread_sigmask(SIG_SETMASK, &self->mask_before, NULL);
    free(self->files);
    free(self->blocks);
    free(self->entries);
    free(self);
}
