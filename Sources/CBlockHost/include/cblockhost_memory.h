// Copies of memory that others change, or take away, at any time: for every target that touches memory
// of a guest, whatever the target knows of guests.
#ifndef CBLOCKHOST_MEMORY_H
#define CBLOCKHOST_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Copies between memory of a guest and the host's own. Others may write either side meanwhile: each
/// byte is read once and written once, from the first to the last, and the thread sanitizer, which
/// would be right to complain about any other memory, does not look. 1, 2, 4 or 8 bytes that are
/// naturally aligned on both sides are one access.
///
/// False when watched memory had gone (see `cblockhost_watch`): the bytes before it have been copied,
/// and what is at `to` from there on must not be used. As with EFAULT from the kernel.
bool cblockhost_copy(void *_Nonnull to, const void *_Nonnull from, size_t count);

/// The same for 16 and for 48 bytes at any address: a descriptor or a header, and a small table of
/// descriptors, for which the choice that `cblockhost_copy` makes is most of the work.
bool cblockhost_copy_16(void *_Nonnull to, const void *_Nonnull from);
bool cblockhost_copy_48(void *_Nonnull to, const void *_Nonnull from);

/// Stores one byte to memory of a guest, under the same conditions.
bool cblockhost_store_byte(void *_Nonnull to, unsigned char value);

/// Fills memory of a guest with a byte, under the same conditions.
bool cblockhost_fill(void *_Nonnull to, unsigned char value, size_t count);

/// Memory that other processes can take away: a mapping of a file that can be made shorter.
struct cblockhost_watch;

/// Installs a handler of SIGBUS that looks after watched memory: 0, or -errno. Every other SIGBUS is
/// left to the handler that was there before.
///
/// A copy of this library that meets a page that has gone ends there, and the page stays as it is: the
/// kernel goes on answering EFAULT. Any other access is answered with a page of zeroes in its place. In
/// either case the memory counts as lost from that page on, for good.
int cblockhost_catch_truncation(void);

/// Watches `size` bytes from `base` on, which begin a page; NULL when too much is watched already.
struct cblockhost_watch *_Nullable cblockhost_watch(const void *_Nonnull base, size_t size);

/// Ends that, before the memory is unmapped.
void cblockhost_unwatch(struct cblockhost_watch *_Nonnull watch);

/// How many of the `count` bytes from `start` on, which are in this memory, are before what is lost.
size_t cblockhost_intact(
    const struct cblockhost_watch *_Nonnull watch, const void *_Nonnull start, size_t count);

/// Looks for the first of `count` bytes that has gone, and remembers it. Does nothing unless
/// `cblockhost_catch_truncation` has been called.
void cblockhost_probe(const void *_Nonnull start, size_t count);

/// How many watches there are whose memory is lost in part.
extern unsigned cblockhost_lost_watches;

/// Whether any watched memory is lost: as long as none is, `cblockhost_intact` need not be asked.
static inline bool cblockhost_is_any_lost(void) {
    return __atomic_load_n(&cblockhost_lost_watches, __ATOMIC_ACQUIRE) != 0;
}

#endif
