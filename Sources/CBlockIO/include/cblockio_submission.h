// What a queue and its engine hand to each other.
#ifndef CBLOCKIO_SUBMISSION_H
#define CBLOCKIO_SUBMISSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Not from <sys/uio.h>: in Swift the type would belong to this module or to Glibc by chance, and a public
/// import of the other would be one too many.
struct iovec;

/// The kinds of submission that kernel queues know; all above are for threads.
enum { CBIO_READ = 0, CBIO_WRITE = 1, CBIO_SYNC = 2 };

/// What an engine is to do, and its answer. The address is the tag that the kernel gets. Safe in Swift, where
/// it has a place in each slot of a queue: its pointers are unsafe to use all the same.
struct __attribute__((swift_attr("safe"))) cbio_submission {
    /// The one behind it in the list that it is in.
    struct cbio_submission *next;
    /// The one before it, in a list from which submissions are removed. Not set for the first.
    struct cbio_submission *previous;
    /// The answer: bytes moved, or -errno.
    int64_t result;
    const struct iovec *vectors;
    /// Byte in the host file; the new size for a truncation.
    uint64_t position;
    /// Bytes concerned.
    uint64_t length;
    /// IOV_MAX at most.
    uint16_t vector_count;
    /// Of the host files of the image.
    uint8_t file;
    uint8_t kind;
    /// RWF_DSYNC: the write completes when it is on stable storage.
    bool is_durable;
    /// It waits in the queue's list for the engine. For the queue's own thread.
    bool is_pending;
    /// It waits in a thread pool for a thread. Under the pool's lock.
    bool is_queued;
    /// There, it waits until another long call has ended. Under the pool's lock.
    bool is_deferred;
};

/// First in, first out. Safe in Swift in the same way.
struct __attribute__((swift_attr("safe"))) cbio_submissions {
    struct cbio_submission *first;
    struct cbio_submission *last;
    int64_t count;
};

/// Links a submission behind the others.
static inline void cbio_append(struct cbio_submissions *list, struct cbio_submission *submission) {
    submission->next = NULL;
    submission->previous = list->last;
    *(list->last ? &list->last->next : &list->first) = submission;
    list->last = submission;
    list->count++;
}

/// The end of a list while many are linked behind it; the list is whole again after `cbio_tail_end`.
struct cbio_tail {
    struct cbio_submission *last;
    struct cbio_submission **link;
    int64_t count;
};

static inline struct cbio_tail cbio_tail_of(struct cbio_submissions *list) {
    return (struct cbio_tail){
        list->last, list->last ? &list->last->next : &list->first, list->count};
}

static inline void cbio_tail_add(struct cbio_tail *tail, struct cbio_submission *submission) {
    *tail->link = submission;
    tail->link = &submission->next;
    tail->last = submission;
    tail->count++;
}

static inline void cbio_tail_end(struct cbio_submissions *list, struct cbio_tail tail) {
    *tail.link = NULL;
    list->last = tail.last;
    list->count = tail.count;
}

#endif
