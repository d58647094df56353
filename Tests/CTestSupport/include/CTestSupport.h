// The system calls of the storage fixtures that Swift cannot import.
//
// Every function returns a non-negative result, or -errno. Descriptors are close-on-exec.
#ifndef CTESTSUPPORT_H
#define CTESTSUPPORT_H

#include "cts_allocations.h"
#include "cts_calls.h"
#include "cts_compare.h"
#include "cts_epoll.h"
#include "cts_file.h"
#include "cts_fuse.h"
#include "cts_guest.h"
#include "cts_hostile.h"
#include "cts_loop.h"
#include "cts_mount.h"
#include "cts_process.h"
#include "cts_socket.h"
#include "cts_sync.h"

#endif
