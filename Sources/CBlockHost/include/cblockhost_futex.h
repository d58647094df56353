// futex(2), between threads of one process.
#ifndef CBLOCKHOST_FUTEX_H
#define CBLOCKHOST_FUTEX_H

#include <stdbool.h>
#include <stdint.h>

/// FUTEX_WAIT: sleeps while `*word` is `expected`, until woken, for `nanoseconds` at most
/// (negative: no limit). 0 or -errno: EAGAIN when it was not, ETIMEDOUT, EINTR after a signal,
/// which pthread_cond_wait(3) would not tell.
int cblockhost_futex_wait(const uint32_t *word, uint32_t expected, int64_t nanoseconds);
/// Adds 1 to `*word`.
void cblockhost_futex_advance(uint32_t *word);
/// FUTEX_WAKE: wakes up to `count` that sleep on the word.
void cblockhost_futex_wake(const uint32_t *word, int count);
/// Reads `*word` before a look at what it announces.
uint32_t cblockhost_futex_read(const uint32_t *word);
/// Reads `*word` up to `rounds` times, with a pause of the processor after each time, until it is not `seen` any
/// more. Whether it has changed.
bool cblockhost_futex_spin(const uint32_t *word, uint32_t seen, int rounds);

#endif
