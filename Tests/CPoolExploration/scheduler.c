#define _GNU_SOURCE
#include "scheduler.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

enum { thread_limit = 16, object_limit = 64, event_limit = 8, choice_limit = 4096 };
enum { stack_size = 256 * 1024, request_limit = 64, request_spacing = 4096 };
enum { first_eventfd = 1 << 20, point_limit = 20000, trace_limit = 60000 };
static const int64_t stuck_span = 3000000000;

// What a thread is about to do, or sleeps in.
enum step {
    STEP_START, STEP_LOCK, STEP_UNLOCK, STEP_CREATE, STEP_FUTEX_WAIT, STEP_FUTEX_SLEEP, STEP_FUTEX_WAKE,
    STEP_CONDITION_SLEEP, STEP_CONDITION_WAKE, STEP_EVENT_WRITE, STEP_EVENT_READ, STEP_EVENT_SLEEP,
    STEP_CALL, STEP_CALL_RETURN, STEP_FLAG, STEP_DONE, STEP_NOTE, STEP_TIME, STEP_SIGNAL,
};
static const char *const step_names[] = {
    "starts", "locks", "unlocked", "creates a thread", "futex wait", "sleeps", "futex wake",
    "waits on condition", "signals condition", "writes eventfd", "clears eventfd", "sleeps on descriptor",
    "calls", "returns from", "waits for", "ends", "--", "time ends the sleep of", "signal ends the sleep of",
};

enum role { ROLE_OWNER, ROLE_OTHER, ROLE_POOL };

struct thread {
    char *stack;
    ucontext_t entry;
    jmp_buf resume;
    bool has_entered;
    enum role role;
    enum step step;
    /// The mutex, the futex, the condition, the eventfd or the flag of the step.
    const void *object;
    /// While it sleeps.
    bool is_woken, is_timed_out, is_signalled;
    /// Virtual time when the sleep or the call ends by itself; -1 for none.
    int64_t deadline;
    /// What its next look at the clock shows beyond the time.
    int64_t skew;
    /// How many times it has slept so far.
    long sleeps;
    /// Its history, with what it depended on.
    uint64_t history;
    uint64_t name;
    /// Order of those that sleep on one object.
    uint64_t sleep_order;
    const char *call_name;
    int error;
    void *(*body)(void *);
    void *argument;
    void (*plain_body)(void);
};

struct object {
    const void *address;
    uint64_t history;
    struct thread *holder;
};

struct event {
    int thread;
    enum step step;
    const void *object;
    const char *text;
    long value;
    bool is_preemption;
};

struct choice {
    uint8_t taken, count;
};

static struct exploration_settings settings;
static bool has_settings;
static const char *program_name;
static const char *(*inspect)(bool);

static struct thread threads[thread_limit];
static int thread_count;
static struct thread *current;
static jmp_buf scheduler;
static void (*owner_body)(void);

static struct object objects[object_limit];
static int object_count;
static struct { bool is_open; uint64_t counter; } events[event_limit];
static int mutexes_held;

static struct choice choices[choice_limit];
static int choice_count, choice_depth;
static int preemptions_left, timeouts_left, signals_left, refusals_left;
static bool varies, is_seen, is_closed;
static uint64_t now, call_span, sleeps, points;
static int calls_under_way, calls_made[request_limit];

static struct event trace[trace_limit];
static int trace_count;
static struct exploration_result result;

// MARK: Histories

static uint64_t mix(uint64_t a, uint64_t b) {
    uint64_t value = (a ^ (b + 0x9e3779b97f4a7c15 + (a << 6) + (a >> 2))) * 0xff51afd7ed558ccd;
    value ^= value >> 32;
    value *= 0xc4ceb9fe1a85ec53;
    return value ^ (value >> 29);
}

static struct object *object_at(const void *address) {
    for (int i = 0; i < object_count; i++)
        if (objects[i].address == address) return &objects[i];
    if (object_count == object_limit) exploration_fail("the exploration has no room for objects");
    objects[object_count] = (struct object){.address = address, .history = 1};
    return &objects[object_count++];
}

/// `current` does something with an object: both depend on what either did before.
static void note_dependency(const void *address, uint64_t what) {
    struct object *object = object_at(address);
    current->history = object->history = mix(mix(current->history, object->history), what);
    // What it reads without a lock may depend on anything.
    if (settings.unlocks_are_points)
        for (int i = 0; i < object_count; i++)
            current->history = mix(current->history, objects[i].history);
}

static uint64_t state_hash(enum step asked) {
    uint64_t hash = mix(now ^ (uint64_t)asked << 56, (uint64_t)preemptions_left << 24 | timeouts_left << 16
        | signals_left << 8 | refusals_left);
    hash = mix(hash, current->name);
    uint64_t sum = 0;
    for (int i = 0; i < thread_count; i++) {
        struct thread *thread = &threads[i];
        sum += mix(mix(thread->history, thread->step), thread->name);
    }
    for (int i = 0; i < object_count; i++) sum += mix(objects[i].history, 7);
    return mix(hash, sum);
}

static uint64_t *seen;
static uint64_t seen_count, seen_capacity;

static bool insert(uint64_t *table, uint64_t capacity, uint64_t hash) {
    uint64_t slot = hash & (capacity - 1);
    while (table[slot]) {
        if (table[slot] == hash) return false;
        slot = (slot + 1) & (capacity - 1);
    }
    table[slot] = hash;
    return true;
}

/// False when the state was there already.
static bool remember(uint64_t hash) {
    if (hash == 0) hash = 1;
    if (seen_count * 2 >= seen_capacity) {
        uint64_t capacity = seen_capacity ? seen_capacity * 2 : 1 << 12;
        uint64_t *table = calloc(capacity, sizeof *table);
        if (!table) exploration_fail("the exploration has no memory for states");
        for (uint64_t i = 0; i < seen_capacity; i++)
            if (seen[i]) insert(table, capacity, seen[i]);
        free(seen);
        seen = table;
        seen_capacity = capacity;
    }
    if (!insert(seen, seen_capacity, hash)) return false;
    seen_count++;
    return true;
}

// MARK: The trace

static void record(struct thread *thread, enum step step, const void *object, const char *text,
    long value, bool is_preemption) {
    if (trace_count == trace_limit) return;
    trace[trace_count++] = (struct event){
        .thread = thread ? (int)(thread - threads) : -1, .step = step, .object = object, .text = text,
        .value = value, .is_preemption = is_preemption};
}

/// A name by what threads of which role sleep there.
static const char *object_name(const void *address) {
    static char names[8][32];
    static int next;
    bool is_mutex = false, sleeps_owner = false, sleeps_pool = false;
    long limit = 0;
    bool by_pool = false;
    for (int i = 0; i < trace_count; i++) {
        if (trace[i].object != address || trace[i].thread < 0) continue;
        enum role role = threads[trace[i].thread].role;
        if (trace[i].step == STEP_LOCK) is_mutex = true;
        if (role == ROLE_POOL) by_pool = true;
        if (trace[i].step == STEP_FUTEX_SLEEP) {
            if (role == ROLE_OWNER) sleeps_owner = true;
            else sleeps_pool = true, limit = limit && limit < trace[i].value ? limit : trace[i].value;
        }
    }
    if (is_mutex) return by_pool ? "pool.lock" : "another mutex";
    if (sleeps_owner) return "progress";
    if (sleeps_pool) return limit < 1000000000 ? "watch" : "work";
    char *name = names[next++ % 8];
    snprintf(name, sizeof names[0], "object %d", (int)(object_at(address) - objects));
    return name;
}

static void print_trace(FILE *out) {
    for (int i = 0; i < trace_count; i++) {
        const struct event *event = &trace[i];
        char who[16] = "time";
        if (event->thread >= 0) {
            static const char *const roles[] = {"owner", "other", "thread"};
            snprintf(who, sizeof who, "%s %d", roles[threads[event->thread].role], event->thread);
        }
        fprintf(out, "%c%4d  %-10s %s", event->is_preemption ? '*' : ' ', i, who, step_names[event->step]);
        if (event->text) fprintf(out, " %s", event->text);
        if (event->object) fprintf(out, " %s", object_name(event->object));
        if (event->value != -1) fprintf(out, " (%ld)", event->value);
        fputc('\n', out);
    }
}

static void print_schedule(FILE *out) {
    fprintf(out, "  to follow it again: --program '%s' --replay ", program_name);
    // Trailing zeroes are what is taken anyway.
    int last = choice_depth;
    while (last > 0 && choices[last - 1].taken == 0) last--;
    if (last == 0) fputs("0", out);
    for (int i = 0; i < last; i++) fprintf(out, "%s%d", i ? "," : "", choices[i].taken);
    fputc('\n', out);
}

static void print_threads(FILE *out) {
    for (int i = 0; i < thread_count; i++) {
        struct thread *thread = &threads[i];
        if (thread->step == STEP_DONE) continue;
        fprintf(out, "  thread %d is at: %s", i, step_names[thread->step]);
        if (thread->object) fprintf(out, " %s", object_name(thread->object));
        fputc('\n', out);
    }
}

void exploration_fail(const char *text) {
    printf("DEFECT in %s, schedule %llu: %s\n", program_name,
        (unsigned long long)result.schedules + 1, text);
    print_trace(stdout);
    print_threads(stdout);
    print_schedule(stdout);
    fflush(stdout);
    _exit(1);
}

static void on_crash(int number) {
    static char text[64];
    snprintf(text, sizeof text, "the program crashed with signal %d", number);
    signal(number, SIG_DFL);
    exploration_fail(text);
}

void exploration_note(const char *text, long value) { record(current, STEP_NOTE, NULL, text, value, false); }

// MARK: Choices

/// `asked` tells the choices of one moment apart.
static int choose(enum step asked, int count) {
    if (count <= 1 || !varies) return 0;
    if (choice_depth < choice_count) {
        struct choice *choice = &choices[choice_depth++];
        if (settings.replay && choice->count == 0) choice->count = (uint8_t)count;
        if (choice->count != count)
            exploration_fail("the exploration is not deterministic: a choice had other options before");
        return choice->taken;
    }
    if (is_seen || settings.replay) return 0;
    if (settings.omits_seen_states && !remember(state_hash(asked))) {
        is_seen = true;
        result.seen++;
        return 0;
    }
    if (choice_count == choice_limit) exploration_fail("the exploration has no room for choices");
    choices[choice_count++] = (struct choice){0, (uint8_t)count};
    choice_depth++;
    return 0;
}

static bool can_run(const struct thread *thread) {
    switch (thread->step) {
    case STEP_DONE: return false;
    case STEP_LOCK: return object_at(thread->object)->holder == NULL;
    case STEP_FUTEX_SLEEP:
    case STEP_CONDITION_SLEEP: return thread->is_woken;
    case STEP_EVENT_SLEEP: return thread->is_woken || *(const uint64_t *)thread->object > 0;
    case STEP_CALL_RETURN: return thread->deadline < 0 || (uint64_t)thread->deadline <= now;
    case STEP_FLAG: return *(const int *)thread->object != 0;
    default: return true;
    }
}

static bool is_sleeper(const struct thread *thread) {
    bool sleeps = thread->step == STEP_FUTEX_SLEEP
        || (thread->step == STEP_EVENT_SLEEP && *(const uint64_t *)thread->object == 0);
    return sleeps && !thread->is_woken;
}

/// The sleep or call that time ends next.
static struct thread *next_by_time(bool only_sleeps) {
    struct thread *next = NULL;
    for (int i = 0; i < thread_count; i++) {
        struct thread *thread = &threads[i];
        bool is_call = thread->step == STEP_CALL_RETURN && !can_run(thread);
        if (thread->deadline < 0 || !(is_sleeper(thread) || (is_call && !only_sleeps))) continue;
        if (!next || thread->deadline < next->deadline) next = thread;
    }
    return next;
}

static void let_time_pass(struct thread *thread) {
    if ((uint64_t)thread->deadline > now) now = (uint64_t)thread->deadline;
    record(NULL, STEP_TIME, NULL, NULL, thread - threads, false);
    thread->history = mix(thread->history, now);
    if (thread->step == STEP_CALL_RETURN) return;
    thread->is_woken = thread->is_timed_out = true;
}

static void inspect_now(bool all_sleep) {
    if (mutexes_held > 0 || !inspect) return;
    const char *text = inspect(all_sleep);
    if (text) exploration_fail(text);
}

/// Who goes on. `is_willing`: the current thread gives way of its own accord.
static struct thread *next_thread(bool is_willing) {
    if (++points > point_limit) exploration_fail("the schedule does not end");
    for (;;) {
        struct thread *options[thread_limit + 2];
        int count = 0, live = 0;
        bool can_go_on = current->step != STEP_DONE && can_run(current);
        if (can_go_on) options[count++] = current;
        bool others = !can_go_on || is_willing || preemptions_left > 0;
        for (int i = 0; i < thread_count; i++) {
            struct thread *thread = &threads[i];
            if (thread->step != STEP_DONE) live++;
            if (thread != current && others && can_run(thread)) options[count++] = thread;
        }
        if (live == 0) return NULL;
        int runnable = count;
        struct thread *sleeper = next_by_time(true);
        // A call that ends sooner comes first.
        bool is_early = sleeper && sleeper == next_by_time(false);
        if (runnable > 0 && timeouts_left > 0 && is_early) options[count++] = NULL;
        bool can_signal = runnable > 0 && signals_left > 0
            && threads[0].step == STEP_FUTEX_SLEEP && !threads[0].is_woken;
        if (can_signal) options[count++] = &threads[0];
        if (runnable == 0) {
            inspect_now(true);
            struct thread *next = next_by_time(false);
            if (!next) exploration_fail("all threads sleep for ever");
            let_time_pass(next);
            continue;
        }
        int taken = choose(STEP_START, count);
        struct thread *thread = options[taken];
        if (taken < runnable) {
            if (can_go_on && !is_willing && thread != current) preemptions_left--;
            if (can_go_on && thread != current)
                record(thread, STEP_NOTE, NULL, "goes on instead of", current - threads, !is_willing);
            return thread;
        }
        if (!thread) {
            timeouts_left--;
            let_time_pass(sleeper);
        } else {
            signals_left--;
            record(NULL, STEP_SIGNAL, NULL, NULL, 0, false);
            thread->is_woken = thread->is_signalled = true;
            thread->history = mix(thread->history, 99);
        }
    }
}

// MARK: Coroutines

static void enter_thread(void) {
    for (;;) {
        struct thread *self = current;
        if (self->plain_body) self->plain_body();
        else self->body(self->argument);
        self->step = STEP_DONE;
        record(self, STEP_DONE, NULL, NULL, -1, false);
        if (mutexes_held > 0 && self->role != ROLE_OWNER) {
            for (int i = 0; i < object_count; i++)
                if (objects[i].holder == self) exploration_fail("a thread ended with a mutex held");
        }
        if (_setjmp(self->resume) == 0) _longjmp(scheduler, 1);
    }
}

static void run_thread(struct thread *thread) {
    current = thread;
    errno = thread->error;
    if (thread->has_entered) _longjmp(thread->resume, 1);
    thread->has_entered = true;
    setcontext(&thread->entry);
}

static struct thread *add_thread(enum role role) {
    if (thread_count == thread_limit) exploration_fail("the exploration has no room for threads");
    struct thread *thread = &threads[thread_count++];
    struct thread fresh = {
        .stack = thread->stack, .has_entered = thread->has_entered, .role = role, .step = STEP_START,
        .deadline = -1};
    if (!fresh.stack) {
        fresh.stack = malloc(stack_size);
        if (!fresh.stack) exploration_fail("the exploration has no memory for stacks");
    }
    memcpy(fresh.resume, thread->resume, sizeof fresh.resume);
    *thread = fresh;
    if (!thread->has_entered) {
        getcontext(&thread->entry);
        thread->entry.uc_stack.ss_sp = thread->stack;
        thread->entry.uc_stack.ss_size = stack_size;
        makecontext(&thread->entry, enter_thread, 0);
    }
    if (current) thread->name = mix(current->history, 11);
    thread->history = mix(thread->name, 1);
    if ((uint32_t)thread_count > result.most_threads) result.most_threads = (uint32_t)thread_count;
    return thread;
}

/// The current thread is about to do `step`; returns when it is its turn.
static void point(enum step step, const void *object, bool is_willing) {
    struct thread *self = current;
    self->step = step;
    self->object = object;
    if (is_closed && self->role == ROLE_POOL)
        exploration_fail("a thread of the pool is at work after the queue was closed");
    self->error = errno;
    struct thread *next = next_thread(is_willing);
    if (next != self && _setjmp(self->resume) == 0) run_thread(next);
    current = self;
    errno = self->error;
}

bool is_explored(void) { return current != NULL; }

const struct exploration_settings *explored_settings(void) { return has_settings ? &settings : NULL; }

// MARK: What the threads do

static void take_mutex(void *mutex) {
    object_at(mutex)->holder = current;
    mutexes_held++;
    note_dependency(mutex, STEP_LOCK);
    record(current, STEP_LOCK, mutex, NULL, -1, false);
}

static void give_mutex(void *mutex) {
    struct object *object = object_at(mutex);
    if (object->holder != current) exploration_fail("a mutex is given up by a thread that does not hold it");
    object->holder = NULL;
    mutexes_held--;
    note_dependency(mutex, STEP_UNLOCK);
    record(current, STEP_UNLOCK, mutex, NULL, -1, false);
    // What the lists say changes under a lock only.
    inspect_now(false);
}

void explored_mutex_lock(void *mutex) {
    if (object_at(mutex)->holder == current) exploration_fail("a thread locks a mutex that it holds");
    point(STEP_LOCK, mutex, false);
    take_mutex(mutex);
}

void explored_mutex_unlock(void *mutex) {
    give_mutex(mutex);
    if (settings.unlocks_are_points && current->role != ROLE_POOL) point(STEP_UNLOCK, mutex, false);
}

/// Sleeps until woken; the current thread is not runnable meanwhile.
static void sleep_on(enum step step, const void *object, int64_t deadline) {
    struct thread *self = current;
    self->sleeps++;
    self->is_woken = self->is_timed_out = self->is_signalled = false;
    self->deadline = deadline;
    self->sleep_order = ++sleeps;
    point(step, object, false);
    self->deadline = -1;
}

static int wake(enum step step, const void *object, int count) {
    int woken = 0;
    while (woken < count) {
        struct thread *first = NULL;
        for (int i = 0; i < thread_count; i++) {
            struct thread *thread = &threads[i];
            if (thread->step != step || thread->object != object || thread->is_woken) continue;
            if (!first || thread->sleep_order < first->sleep_order) first = thread;
        }
        if (!first) break;
        first->is_woken = true;
        first->history = mix(first->history, current->history);
        woken++;
    }
    return woken;
}

void explored_condition_wait(void *condition, void *mutex) {
    point(STEP_CONDITION_WAKE, condition, false);
    note_dependency(condition, STEP_CONDITION_SLEEP);
    give_mutex(mutex);
    record(current, STEP_CONDITION_SLEEP, condition, NULL, -1, false);
    sleep_on(STEP_CONDITION_SLEEP, condition, -1);
    point(STEP_LOCK, mutex, true);
    take_mutex(mutex);
}

void explored_condition_wake(void *condition, int count) {
    point(STEP_CONDITION_WAKE, condition, false);
    note_dependency(condition, STEP_CONDITION_WAKE);
    int woken = wake(STEP_CONDITION_SLEEP, condition, count);
    record(current, STEP_CONDITION_WAKE, condition, NULL, woken, false);
}

int explored_create(void *(*body)(void *), void *argument) {
    point(STEP_CREATE, NULL, false);
    bool is_refused = refusals_left < 0;
    if (refusals_left > 0 && choose(STEP_CREATE, 2) == 1) {
        is_refused = true;
        refusals_left--;
    }
    current->history = mix(current->history, is_refused ? 3 : 5);
    if (is_refused) {
        record(current, STEP_CREATE, NULL, "and is refused", -1, false);
        return EAGAIN;
    }
    struct thread *thread = add_thread(ROLE_POOL);
    thread->body = body;
    thread->argument = argument;
    record(current, STEP_CREATE, NULL, NULL, thread - threads, false);
    return 0;
}

void exploration_spawn(void (*body)(void)) {
    struct thread *thread = add_thread(ROLE_OTHER);
    thread->plain_body = body;
    current->history = mix(current->history, 6);
}

long explored_futex_wait(const uint32_t *word, uint32_t expected, const struct timespec *limit) {
    point(STEP_FUTEX_WAIT, word, false);
    uint32_t value = __atomic_load_n(word, __ATOMIC_ACQUIRE);
    note_dependency(word, mix(STEP_FUTEX_WAIT, value != expected));
    if (value != expected) {
        record(current, STEP_FUTEX_WAIT, word, "finds news at", -1, false);
        errno = EAGAIN;
        return -1;
    }
    int64_t span = limit ? limit->tv_sec * 1000000000 + limit->tv_nsec : -1;
    record(current, STEP_FUTEX_SLEEP, word, NULL, span, false);
    sleep_on(STEP_FUTEX_SLEEP, word, span < 0 ? -1 : (int64_t)now + span);
    if (!current->is_timed_out && !current->is_signalled) return 0;
    errno = current->is_timed_out ? ETIMEDOUT : EINTR;
    return -1;
}

long explored_futex_wake(const uint32_t *word, int count) {
    point(STEP_FUTEX_WAKE, word, false);
    note_dependency(word, STEP_FUTEX_WAKE);
    int woken = wake(STEP_FUTEX_SLEEP, word, count);
    record(current, STEP_FUTEX_WAKE, word, NULL, woken, false);
    return woken;
}

int explored_eventfd(void) {
    for (int i = 0; i < event_limit; i++) {
        if (events[i].is_open) continue;
        events[i].is_open = true;
        events[i].counter = 0;
        return first_eventfd + i;
    }
    exploration_fail("the exploration has no room for eventfds");
}

bool is_explored_eventfd(int fd) {
    return current && fd >= first_eventfd && fd < first_eventfd + event_limit;
}

static uint64_t *counter_of(int fd) {
    if (!is_explored_eventfd(fd) || !events[fd - first_eventfd].is_open)
        exploration_fail("a closed eventfd is used");
    return &events[fd - first_eventfd].counter;
}

void explored_eventfd_write(int fd, uint64_t value) {
    uint64_t *counter = counter_of(fd);
    point(STEP_EVENT_WRITE, counter, false);
    *counter_of(fd) += value;
    note_dependency(counter, STEP_EVENT_WRITE);
    record(current, STEP_EVENT_WRITE, NULL, NULL, -1, false);
}

bool explored_eventfd_read(int fd, uint64_t *value) {
    uint64_t *counter = counter_of(fd);
    point(STEP_EVENT_READ, counter, false);
    note_dependency(counter, STEP_EVENT_READ);
    record(current, STEP_EVENT_READ, NULL, NULL, (long)*counter, false);
    if (*counter == 0) return false;
    *value = *counter;
    *counter = 0;
    return true;
}

void explored_eventfd_close(int fd) {
    *counter_of(fd) = 0;
    events[fd - first_eventfd].is_open = false;
}

void exploration_wait_readable(int fd, int64_t nanoseconds) {
    uint64_t *counter = counter_of(fd);
    record(current, STEP_EVENT_SLEEP, NULL, NULL, nanoseconds, false);
    current->is_woken = false;
    current->deadline = nanoseconds < 0 ? -1 : (int64_t)now + nanoseconds;
    point(STEP_EVENT_SLEEP, counter, true);
    current->deadline = -1;
    note_dependency(counter, mix(STEP_EVENT_SLEEP, *counter > 0));
}

bool exploration_is_readable(int fd) { return *counter_of(fd) > 0; }

void exploration_wait_flag(const int *flag) {
    point(STEP_FLAG, flag, true);
    note_dependency(flag, STEP_FLAG);
}

void explored_clock(struct timespec *out) {
    uint64_t shown = now + (uint64_t)current->skew;
    current->skew = 0;
    current->history = mix(current->history, now);
    out->tv_sec = 1000 + (time_t)(shown / 1000000000);
    out->tv_nsec = (long)(shown % 1000000000);
}

long explored_sleeps(void) { return current->sleeps; }

void explored_call(const char *name, int64_t offset) {
    struct thread *self = current;
    int request = offset < 0 ? -1 : (int)(offset / request_spacing % request_limit);
    if (request >= 0) calls_made[request]++;
    calls_under_way++;
    record(self, STEP_CALL, NULL, name, request, false);
    bool is_stuck = request >= 0 && settings.stuck_requests >> request & 1;
    if (is_stuck) self->sleeps++;
    self->deadline = is_stuck ? (int64_t)now + stuck_span : -1;
    self->call_name = name;
    // Others may go on meanwhile, which is no preemption.
    point(STEP_CALL_RETURN, NULL, true);
    self->deadline = -1;
    self->history = mix(self->history, STEP_CALL);
    if (!is_stuck) self->skew = (int64_t)call_span;
    else self->skew = 0;
    calls_under_way--;
    record(self, STEP_CALL_RETURN, NULL, name, request, false);
}

void exploration_vary(bool value) { varies = value; }
void exploration_set_call_span(uint64_t nanoseconds) { call_span = nanoseconds; }
void exploration_pool_is_closed(void) { is_closed = true; }
int exploration_calls_under_way(void) { return calls_under_way; }
int exploration_calls_made(int request) { return calls_made[request]; }
uint64_t exploration_time(void) { return now; }

// MARK: One schedule after the other

static void run_schedule(void) {
    thread_count = object_count = trace_count = choice_depth = mutexes_held = 0;
    memset(events, 0, sizeof events);
    memset(calls_made, 0, sizeof calls_made);
    preemptions_left = settings.preemptions;
    timeouts_left = settings.early_timeouts;
    signals_left = settings.signals;
    refusals_left = settings.refusals;
    calls_under_way = 0;
    varies = true;
    is_seen = is_closed = false;
    now = 1000000000;
    call_span = 1000;
    sleeps = points = 0;
    struct thread *owner = add_thread(ROLE_OWNER);
    owner->plain_body = owner_body;
    current = owner;
    // Back here when a thread has ended.
    _setjmp(scheduler);
    struct thread *next = next_thread(true);
    if (next) run_thread(next);
    current = NULL;
    result.schedules++;
    result.points += points;
    if (points > result.most_points) result.most_points = (uint32_t)points;
}

/// Goes to the next schedule; false when there is none.
static bool advance(void) {
    while (choice_count > 0) {
        struct choice *last = &choices[choice_count - 1];
        if (++last->taken < last->count) return true;
        choice_count--;
    }
    return false;
}

static void read_replay(const char *text) {
    while (*text && choice_count < choice_limit) {
        char *end;
        choices[choice_count++] = (struct choice){(uint8_t)strtoul(text, &end, 10), 0};
        text = *end ? end + 1 : end;
    }
}

void exploration_describe_machine(const struct exploration_settings *given) {
    settings = *given;
    has_settings = true;
}

struct exploration_result explore(
    const struct exploration_settings *given, const char *name, void (*owner)(void),
    const char *(*check)(bool all_sleep)) {
    exploration_describe_machine(given);
    program_name = name;
    owner_body = owner;
    inspect = check;
    const int crashes[] = {SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGABRT};
    for (size_t i = 0; i < sizeof crashes / sizeof crashes[0]; i++) signal(crashes[i], on_crash);
    setvbuf(stdout, NULL, _IOLBF, 0);
    result = (struct exploration_result){0};
    choice_count = 0;
    if (seen) memset(seen, 0, seen_capacity * sizeof *seen);
    seen_count = 0;
    if (settings.replay) {
        read_replay(settings.replay);
        run_schedule();
        print_trace(stdout);
        return result;
    }
    do {
        if (result.schedules == settings.schedule_limit) return result;
        run_schedule();
    } while (advance());
    result.is_complete = true;
    return result;
}
