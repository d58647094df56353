// What the scheduler and the functions in front of the C library share.
#ifndef SCHEDULER_H
#define SCHEDULER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "CPoolExploration.h"

/// Whether the caller is a thread of a schedule.
bool is_explored(void);

void explored_mutex_lock(void *mutex);
void explored_mutex_unlock(void *mutex);
void explored_condition_wait(void *condition, void *mutex);
void explored_condition_wake(void *condition, int count);
/// 0 or an error number.
int explored_create(void *(*body)(void *), void *argument);
/// As futex(2): 0, or -1 with errno.
long explored_futex_wait(const uint32_t *word, uint32_t expected, const struct timespec *limit);
long explored_futex_wake(const uint32_t *word, int count);
int explored_eventfd(void);
bool is_explored_eventfd(int fd);
void explored_eventfd_write(int fd, uint64_t value);
bool explored_eventfd_read(int fd, uint64_t *value);
void explored_eventfd_close(int fd);
void explored_clock(struct timespec *now);
/// How many times the current thread has slept.
long explored_sleeps(void);
/// A blocking call for the request at `offset`; -1 for none, as for a flush.
void explored_call(const char *name, int64_t offset);
const struct exploration_settings *explored_settings(void);

#endif
