#define _GNU_SOURCE
#include "cts_fuse.h"

#include <errno.h>
#include <linux/fuse.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FILE_NODE = FUSE_ROOT_ID + 1, LARGEST_WRITE = 1 << 20 };

struct server {
    int fd;
    size_t size;
    char *content;
    /// Where reads begin that are held until the next fsync(2), and the one that is.
    size_t place, held;
    struct fuse_in_header held_header;
    struct fuse_read_in held_read;
};

static atomic_bool is_silent;
static const char *acknowledgement;

static void fall_silent(int number) {
    (void)number;
    int error = errno;
    atomic_store(&is_silent, true);
    (void)!write(STDOUT_FILENO, acknowledgement, strlen(acknowledgement));
    errno = error;
}

/// Answers a request with `error` (positive, or 0) or `length` bytes.
static void answer(
    const struct server *server, const struct fuse_in_header *in, int error, const void *data,
    size_t length) {
    struct fuse_out_header out = {
        .len = (uint32_t)(sizeof out + length), .error = -error, .unique = in->unique};
    struct iovec parts[] = {{&out, sizeof out}, {(void *)data, length}};
    if (!atomic_load(&is_silent)) (void)!writev(server->fd, parts, length ? 2 : 1);
}

static struct fuse_attr attributes(const struct server *server, uint64_t node) {
    bool is_file = node == FILE_NODE;
    return (struct fuse_attr){
        .ino = node,
        .size = is_file ? server->size : 0,
        .blocks = is_file ? server->size / 512 : 0,
        .mode = is_file ? S_IFREG | 0600 : S_IFDIR | 0700,
        .nlink = 1,
        .blksize = 4096,
    };
}

static void answer_init(
    const struct server *server, const struct fuse_in_header *in, const struct fuse_init_in *init) {
    struct fuse_init_out out = {
        .major = FUSE_KERNEL_VERSION,
        .minor = FUSE_KERNEL_MINOR_VERSION,
        .max_readahead = init->max_readahead,
        .flags = init->flags
                 & (FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_ASYNC_DIO | FUSE_MAX_PAGES),
        .max_background = 64,
        .congestion_threshold = 48,
        .max_write = LARGEST_WRITE,
        .time_gran = 1,
        .max_pages = LARGEST_WRITE / 4096,
    };
    answer(server, in, 0, &out, sizeof out);
}

static void answer_lookup(
    const struct server *server, const struct fuse_in_header *in, const char *name) {
    if (in->nodeid != FUSE_ROOT_ID || strcmp(name, CTS_FUSE_FILE) != 0)
        return answer(server, in, ENOENT, NULL, 0);
    struct fuse_entry_out out = {
        .nodeid = FILE_NODE, .entry_valid = 3600, .attr = attributes(server, FILE_NODE)};
    answer(server, in, 0, &out, sizeof out);
}

static void answer_read(
    const struct server *server, const struct fuse_in_header *in, const struct fuse_read_in *read) {
    size_t start = read->offset < server->size ? read->offset : server->size;
    size_t rest = server->size - start;
    answer(server, in, 0, server->content + start, read->size < rest ? read->size : rest);
}

static void hold_read(
    struct server *server, const struct fuse_in_header *in, const struct fuse_read_in *read) {
    server->held_header = *in;
    server->held_read = *read;
}

static void release_read(struct server *server) {
    if (server->held_header.unique == 0) {
        // It is under way: the kernel has other threads for other reads.
        server->held = SIZE_MAX;
        return;
    }
    answer_read(server, &server->held_header, &server->held_read);
    server->held_header.unique = 0;
}

static void answer_write(
    const struct server *server, const struct fuse_in_header *in,
    const struct fuse_write_in *write) {
    if (write->offset > server->size || write->size > server->size - write->offset)
        return answer(server, in, ENOSPC, NULL, 0);
    memcpy(server->content + write->offset, write + 1, write->size);
    struct fuse_write_out out = {.size = write->size};
    answer(server, in, 0, &out, sizeof out);
}

static void serve(struct server *server, const struct fuse_in_header *in) {
    const void *argument = in + 1;
    switch (in->opcode) {
    case FUSE_INIT: return answer_init(server, in, argument);
    case FUSE_LOOKUP: return answer_lookup(server, in, argument);
    case FUSE_READ:
        if (((const struct fuse_read_in *)argument)->offset == server->held)
            return hold_read(server, in, argument);
        return answer_read(server, in, argument);
    case FUSE_WRITE: return answer_write(server, in, argument);
    case FUSE_SETATTR:
        // ftruncate(2), which changes nothing here: from now on the read is held again.
        if (((const struct fuse_setattr_in *)argument)->valid & FATTR_SIZE)
            server->held = server->place;
        // Fall through.
    case FUSE_GETATTR: {
        // Never to be remembered by the kernel.
        struct fuse_attr_out out = {.attr = attributes(server, in->nodeid)};
        return answer(server, in, 0, &out, sizeof out);
    }
    case FUSE_OPEN: {
        struct fuse_open_out out = {0};
        return answer(server, in, 0, &out, sizeof out);
    }
    case FUSE_STATFS: {
        struct fuse_statfs_out out = {.st = {.bsize = 4096, .namelen = 255}};
        return answer(server, in, 0, &out, sizeof out);
    }
    case FUSE_FSYNC: release_read(server); return answer(server, in, 0, NULL, 0);
    case FUSE_FLUSH:
    case FUSE_RELEASE: return answer(server, in, 0, NULL, 0);
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
    case FUSE_INTERRUPT: return;
    default: return answer(server, in, ENOSYS, NULL, 0);
    }
}

int cts_fuse_serve(int fd, size_t size, size_t held, const char *text) {
    size_t room = LARGEST_WRITE + 65536;
    struct server server = {.fd = fd, .size = size, .content = calloc(1, size), .place = held, .held = held};
    struct fuse_in_header *request = aligned_alloc(4096, room);
    if (!server.content || !request) return -ENOMEM;
    acknowledgement = text;
    struct sigaction action = {.sa_handler = fall_silent, .sa_flags = SA_RESTART};
    if (sigaction(SIGUSR1, &action, NULL) < 0) return -errno;
    ssize_t length;
    // ENOENT: a request was taken back while it was being read.
    while ((length = read(fd, request, room)) > 0 || errno == EINTR || errno == ENOENT)
        if (length > 0) serve(&server, request);
    int error = errno;
    free(server.content);
    free(request);
    return length == 0 || error == ENODEV ? 0 : -error;
}
