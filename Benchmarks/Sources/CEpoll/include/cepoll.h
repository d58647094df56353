#ifndef CEPOLL_H
#define CEPOLL_H

/// The part of epoll(7) that a caller of one queue needs; Swift's module of glibc does not have it.

/// A new epoll set that watches `descriptor` for reading; or -errno.
int cep_create(int descriptor);

/// Sleeps until the watched descriptor is readable, however long that takes: 0 or -errno.
int cep_wait(int set);

#endif
