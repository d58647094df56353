// Watches fsync(2): it is replaced with a function that takes notice of a call while it is watched, and
// makes the system call.
#ifndef CTS_SYNC_H
#define CTS_SYNC_H

#include <stdbool.h>

/// A call that was made.
struct cts_sync {
    /// The name of the descriptor's file at the time of the call.
    char path[256];
    /// Whether the watched path existed then.
    bool exists;
};

/// Forgets all calls and takes notice of those from now on.
void cts_sync_watch(const char *path);

/// Stops, and says how many calls there were, of which the first eight are kept.
int cts_sync_end(void);

/// The call with this number, from 0 on.
struct cts_sync cts_sync_call(int number);

#endif
