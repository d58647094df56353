// epoll(7), which Swift's Glibc module leaves out.
#ifndef CTS_EPOLL_H
#define CTS_EPOLL_H

#include <sys/epoll.h>

#endif
