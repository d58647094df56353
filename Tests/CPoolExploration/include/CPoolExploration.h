// A deterministic scheduler under the thread pool: this target defines the functions by which the pool's
// threads block, wake each other and call the kernel, and the executable's definitions take the
// place of the C library's. While an exploration runs, the "threads" are coroutines of one thread, and each
// of these calls is a point where a choice decides which of them goes on. All choices are tried in
// turn, depth first, each schedule from its start.
#ifndef CPOOLEXPLORATION_H
#define CPOOLEXPLORATION_H

#include <stdbool.h>
#include <stdint.h>

/// What the scheduler may do, and the machine that the program sees.
struct exploration_settings {
    /// How many times in one schedule a thread that could go on has to make room for another.
    int preemptions;
    /// How many times a sleep with a limit may end by time although a thread could go on.
    int early_timeouts;
    /// How many times a signal may end the owner's sleep.
    int signals;
    /// How many times pthread_create(3) may fail, as a choice; negative: it always fails.
    int refusals;
    /// What sysconf(3) says of the processors.
    int processors;
    /// Whether the image's file system is said to be tmpfs.
    bool is_in_memory;
    /// Bit n: the blocking call for request n lasts three seconds.
    uint32_t stuck_requests;
    /// Whether giving up a mutex is a point too: for what is read without one.
    bool unlocks_are_points;
    /// Whether schedules that lead to a state already seen are left out.
    bool omits_seen_states;
    /// Stop after so many schedules.
    uint64_t schedule_limit;
    /// Follow only this schedule: choices separated by commas, as a report prints them.
    const char *replay;
};

struct exploration_result {
    uint64_t schedules;
    uint64_t points;
    /// Schedules whose rest was not varied because its state had been seen.
    uint64_t seen;
    uint32_t most_points;
    uint32_t most_threads;
    /// Every schedule within the bounds was tried.
    bool is_complete;
};

/// From now on the image's file system is what the settings say, for opening it.
void exploration_describe_machine(const struct exploration_settings *settings);

/// Runs `owner` in each schedule. `inspect` is called while no mutex is held, with whether all threads
/// sleep, and returns what is wrong, or NULL. The first schedule with a defect is printed, and
/// the process ends with status 1.
struct exploration_result explore(
    const struct exploration_settings *settings, const char *name, void (*owner)(void),
    const char *(*inspect)(bool all_sleep));

/// Until the next call with true: nothing is varied, to bring the pool into a state.
void exploration_vary(bool varies);
/// How long the following transfers take, as the clock shows it.
void exploration_set_call_span(uint64_t nanoseconds);
/// Starts a thread of the program beside its owner.
void exploration_spawn(void (*body)(void));
/// Sleeps until `*flag` is not 0.
void exploration_wait_flag(const int *flag);
/// Sleeps as in epoll_wait(2) until the eventfd's counter is above 0, or `nanoseconds` (negative: no limit)
/// have passed.
void exploration_wait_readable(int fd, int64_t nanoseconds);
bool exploration_is_readable(int fd);
/// A line in the trace. `text` must stay.
void exploration_note(const char *text, long value);
/// Reports a defect and ends the process.
void exploration_fail(const char *text) __attribute__((noreturn));
/// No thread of the pool may do anything any more but leave.
void exploration_pool_is_closed(void);
/// Threads that are inside a blocking call for a request.
int exploration_calls_under_way(void);
/// How many times the blocking call for request n was made.
int exploration_calls_made(int request);
/// Virtual nanoseconds since the start of the schedule.
uint64_t exploration_time(void);

#endif
