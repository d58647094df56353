// The least that random reads cost in C: one loop over liburing or libaio, nothing checked that need
// not be, nothing counted but the reads. What blockbench is measured against.
//
//     cloop io_uring|libaio PATH BLOCK-SIZE DEPTH SECONDS [PIECES [OFFSET RANGE]]
//     cloop io_uring|libaio PATH BLOCK-SIZE DEPTH -COUNT          (for counting instructions)
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <libaio.h>
#include <liburing.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <linux/fs.h>

struct work {
    int fd;
    uint64_t offset, blocks;
    size_t block_size;
    unsigned depth, pieces;
    struct iovec *lists;  // `pieces` for each of `depth` requests
    uint64_t random;
    uint64_t limit;       // requests, or UINT64_MAX
    double end;           // seconds of CLOCK_MONOTONIC
    uint64_t done;
};

static void fail(const char *what, int error) {
    fprintf(stderr, "cloop: %s: %s\n", what, strerror(error));
    exit(1);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

// xorshift64 (Marsaglia 2003)
static uint64_t next_offset(struct work *work) {
    work->random ^= work->random << 13;
    work->random ^= work->random >> 7;
    work->random ^= work->random << 17;
    uint64_t block = (uint64_t)(((unsigned __int128)work->random * work->blocks) >> 64);
    return work->offset + block * work->block_size;
}

static bool goes_on(const struct work *work) {
    return work->limit != UINT64_MAX ? work->done < work->limit : now() < work->end;
}

static void run_uring(struct work *work) {
    struct io_uring ring;
    unsigned flags[] = {IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, 0};
    int error = -EINVAL;
    for (int i = 0; i < 2 && error < 0; i++)
        error = io_uring_queue_init(work->depth, &ring, flags[i]);
    if (error < 0) fail("io_uring_setup", -error);
    io_uring_register_files(&ring, &work->fd, 1);
    io_uring_register_ring_fd(&ring);
    unsigned free_slots[work->depth], free_count = work->depth;
    for (unsigned i = 0; i < work->depth; i++) free_slots[i] = i;
    bool more = true;
    while (more || free_count < work->depth) {
        while (more && free_count > 0) {
            unsigned slot = free_slots[--free_count];
            struct iovec *list = work->lists + (size_t)slot * work->pieces;
            struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
            if (work->pieces == 1)
                io_uring_prep_read(
                    sqe, 0, list->iov_base, (unsigned)list->iov_len, next_offset(work));
            else
                io_uring_prep_readv(sqe, 0, list, work->pieces, next_offset(work));
            sqe->flags = IOSQE_FIXED_FILE;
            sqe->user_data = slot;
        }
        error = io_uring_submit_and_wait(&ring, 1);
        if (error < 0 && error != -EINTR) fail("io_uring_enter", -error);
        struct io_uring_cqe *cqe;
        unsigned head, taken = 0;
        io_uring_for_each_cqe(&ring, head, cqe) {
            if (cqe->res != (int)work->block_size) fail("read", cqe->res < 0 ? -cqe->res : EIO);
            free_slots[free_count++] = (unsigned)cqe->user_data;
            taken++;
        }
        io_uring_cq_advance(&ring, taken);
        work->done += taken;
        more = goes_on(work);
    }
    io_uring_queue_exit(&ring);
}

static void run_aio(struct work *work) {
    io_context_t context = NULL;
    int error = io_setup((int)work->depth, &context);
    if (error < 0) fail("io_setup", -error);
    struct iocb *blocks = calloc(work->depth, sizeof *blocks);
    struct iocb **batch = calloc(work->depth, sizeof *batch);
    struct io_event *events = calloc(work->depth, sizeof *events);
    unsigned ready = work->depth, in_flight = 0;
    for (unsigned i = 0; i < work->depth; i++) batch[i] = &blocks[i];
    bool more = true;
    while (more || in_flight > 0) {
        if (more && ready > 0) {
            for (unsigned i = 0; i < ready; i++) {
                struct iovec *list = work->lists + (size_t)(batch[i] - blocks) * work->pieces;
                if (work->pieces == 1)
                    io_prep_pread(
                        batch[i], work->fd, list->iov_base, list->iov_len,
                        (long long)next_offset(work));
                else
                    io_prep_preadv(
                        batch[i], work->fd, list, (int)work->pieces,
                        (long long)next_offset(work));
            }
            for (unsigned first = 0; first < ready;) {
                error = io_submit(context, ready - first, batch + first);
                if (error < 0 && error != -EINTR && error != -EAGAIN) fail("io_submit", -error);
                if (error > 0) first += (unsigned)error;
            }
            in_flight += ready;
            ready = 0;
        }
        int count = io_getevents(context, 1, work->depth, events, NULL);
        if (count < 0 && count != -EINTR) fail("io_getevents", -count);
        for (int i = 0; i < count; i++) {
            if (events[i].res != work->block_size)
                fail("read", (long)events[i].res < 0 ? -(int)events[i].res : EIO);
            batch[ready++] = events[i].obj;
        }
        in_flight -= (unsigned)(count > 0 ? count : 0);
        work->done += (uint64_t)(count > 0 ? count : 0);
        more = goes_on(work);
    }
    io_destroy(context);
}

int main(int count, char **arguments) {
    // A closed pipe is an error of the output.
    signal(SIGPIPE, SIG_IGN);
    if (count < 6) {
        fprintf(
            stderr, "usage: cloop io_uring|libaio PATH BLOCK-SIZE DEPTH SECONDS|-COUNT "
            "[PIECES [OFFSET RANGE]]\n");
        return 2;
    }
    struct work work = {.random = 88172645463325252, .limit = UINT64_MAX};
    work.fd = open(arguments[2], O_RDONLY | O_DIRECT | O_CLOEXEC);
    if (work.fd < 0) fail(arguments[2], errno);
    work.block_size = strtoul(arguments[3], NULL, 10);
    work.depth = (unsigned)strtoul(arguments[4], NULL, 10);
    double amount = strtod(arguments[5], NULL);
    work.pieces = count > 6 ? (unsigned)strtoul(arguments[6], NULL, 10) : 1;
    struct stat status;
    uint64_t size = 0;
    fstat(work.fd, &status);
    if (S_ISBLK(status.st_mode))
        ioctl(work.fd, BLKGETSIZE64, &size);
    else
        size = (uint64_t)status.st_size;
    if (!work.block_size || !work.depth || !work.pieces || size < work.block_size)
        fail("arguments", EINVAL);
    // A range of 0 ends with the file or device.
    work.offset = count > 7 ? strtoull(arguments[7], NULL, 10) : 0;
    uint64_t range = count > 8 ? strtoull(arguments[8], NULL, 10) : 0;
    if (work.offset > size || range > size - work.offset) fail("OFFSET and RANGE", EINVAL);
    if (range == 0) range = size - work.offset;
    if (range < work.block_size) fail("OFFSET and RANGE", EINVAL);
    work.blocks = range / work.block_size;

    const size_t piece = work.block_size / work.pieces, buffer = work.block_size * work.depth;
    char *memory = aligned_alloc(4096, (buffer + 4095) & ~(size_t)4095);
    work.lists = calloc((size_t)work.depth * work.pieces, sizeof *work.lists);
    for (unsigned i = 0; i < work.depth * work.pieces; i++)
        // Every other piece first, so that no two are neighbours in the list.
        work.lists[i] = (struct iovec){
            memory + (i / work.pieces) * work.block_size +
                (work.pieces == 1 ? 0 : (i % work.pieces * 2 % work.pieces +
                                         (i % work.pieces * 2 >= work.pieces)) * piece),
            piece};

    double start = now();
    if (amount < 0)
        work.limit = (uint64_t)-amount;
    else
        work.end = start + amount;
    if (!strcmp(arguments[1], "io_uring"))
        run_uring(&work);
    else if (!strcmp(arguments[1], "libaio"))
        run_aio(&work);
    else
        fail(arguments[1], EINVAL);
    double elapsed = now() - start;
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e9 +
        (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e3;
    printf(
        "{\"requests\": %llu, \"iops\": %.1f, \"cpu_ns_per_io\": %.1f}\n",
        (unsigned long long)work.done, (double)work.done / elapsed, cpu / (double)work.done);
    if (fflush(stdout) || ferror(stdout)) fail("standard output", errno);
    return 0;
}
