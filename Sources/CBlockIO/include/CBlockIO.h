// What Swift cannot import: system calls that glibc declares only under _GNU_SOURCE, variadic
// ioctls, and thin adaptors over liburing and libaio.
//
// None of these headers may include liburing.h, libaio.h or a header whose content depends on
// feature macros: a client that also imports another C module built over glibc with other macros
// (swift-system's SystemPackage, for one) would then fail to compile.
#ifndef CBLOCKIO_H
#define CBLOCKIO_H

#include "cblockio_file.h"
#include "cblockio_io.h"
#include "cblockio_order.h"
#include "cblockio_submission.h"
#include "cblockio_aio.h"
#include "cblockio_uring.h"

#endif
