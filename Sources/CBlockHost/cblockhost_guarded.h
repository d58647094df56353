// Where accesses may fault: between these two labels a page that has gone ends the routine.
#ifndef CBLOCKHOST_GUARDED_H
#define CBLOCKHOST_GUARDED_H

#include <stdbool.h>
#include <stddef.h>

#pragma GCC visibility push(hidden)

#if defined(__x86_64__)

// cblockhost_guarded_x86_64.S, which also has cblockhost_copy_16, cblockhost_copy_48 and cblockhost_store_byte.
bool cblockhost_guarded_copy_1(void *to, const void *from);
bool cblockhost_guarded_copy_2(void *to, const void *from);
bool cblockhost_guarded_copy_4(void *to, const void *from);
bool cblockhost_guarded_copy_8(void *to, const void *from);
// A multiple of 32 and not 0; both sides aligned to 16.
bool cblockhost_guarded_copy_words(void *to, const void *from, size_t count);
bool cblockhost_guarded_copy_longs(void *to, const void *from, size_t count);
// A multiple of 16 and not 0; any address.
bool cblockhost_guarded_copy_blocks(void *to, const void *from, size_t count);
bool cblockhost_guarded_copy_bytes(void *to, const void *from, size_t count);
bool cblockhost_guarded_fill(void *to, unsigned char value, size_t count);

extern const char cblockhost_guarded_begin[], cblockhost_guarded_end[], cblockhost_guarded_lost[];

#else

// How often this thread has been given zeroes. Volatile: changed by a handler in the middle of a copy.
extern _Thread_local volatile unsigned long cblockhost_losses
    __attribute__((tls_model("initial-exec")));

#endif

#pragma GCC visibility pop
#endif
