// What every target needs from the host and Swift cannot import: system calls that glibc declares only
// under _GNU_SOURCE, variadic ones, and copies of memory that others change or take away.
//
// None of these headers may include a header whose content depends on feature macros: a client that also
// imports another C module built over glibc with other macros (swift-system's SystemPackage, for one)
// would then fail to compile.
#ifndef CBLOCKHOST_H
#define CBLOCKHOST_H

#include "cblockhost_descriptor.h"
#include "cblockhost_epoll.h"
#include "cblockhost_futex.h"
#include "cblockhost_memory.h"
#include "cblockhost_socket.h"
#include "cblockhost_thread.h"

#endif
