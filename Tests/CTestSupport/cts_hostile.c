#define _GNU_SOURCE
#include "cts_hostile.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define THIS_ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define THIS_ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#error "add the AUDIT_ARCH_ value of this architecture"
#endif

int cts_forbid(enum cts_forbidden what, int error) {
    static const unsigned calls[] = {
        [CTS_FORBID_IO_URING] = SYS_io_uring_setup,
        [CTS_FORBID_IO_URING_ENTER] = SYS_io_uring_enter,
        [CTS_FORBID_IO_URING_REGISTER] = SYS_io_uring_register,
        [CTS_FORBID_AIO] = SYS_io_setup,
        [CTS_FORBID_IO_URING_SUBMISSION] = SYS_io_uring_enter,
        [CTS_FORBID_MEMBARRIER] = SYS_membarrier,
    };
    // What the second argument, a number of entries to submit, has to be at least.
    unsigned least = what == CTS_FORBID_IO_URING_SUBMISSION ? 1 : 0;
    unsigned answer = SECCOMP_RET_ERRNO | ((unsigned)error & SECCOMP_RET_DATA);
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, THIS_ARCHITECTURE, 0, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[what], 0, 2),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, least, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, answer),
    };
    struct sock_fprog program = {sizeof filter / sizeof filter[0], filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return -errno;
    long result = syscall(
        SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
    // A positive result is a thread that could not follow.
    return result < 0 ? -errno : result > 0 ? -EBUSY : 0;
}

int64_t cts_aio_exhaust(void) {
    int64_t taken = 0;
    for (unsigned number = 1u << 16; number > 0;) {
        unsigned long context = 0;
        if (syscall(SYS_io_setup, number, &context) == 0)
            taken += number;
        else
            number /= 2;
    }
    return taken;
}

bool cts_waits_for_completions(int thread) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/syscall", thread);
    FILE *file = fopen(path, "re");
    if (!file) return false;
    long call = -1;
    // "running" while it does not sleep.
    const bool sleeps = fscanf(file, "%ld", &call) == 1;
    fclose(file);
    return sleeps && (call == SYS_io_uring_enter || call == SYS_io_getevents);
}

int cts_die_with_parent(void) {
    return prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 ? -errno : 0;
}

int cts_become_nobody(void) {
    // glibc does it for all threads. What the privileges protected may be traced and read after.
    if (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0) return -errno;
    // A change of identity takes the parent-death signal away.
    return cts_die_with_parent();
}

int cts_limit_threads(bool none) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NPROC, &limit) < 0) return -errno;
    limit.rlim_cur = none ? 0 : limit.rlim_max;
    return setrlimit(RLIMIT_NPROC, &limit) < 0 ? -errno : 0;
}

int cts_limit_file_size(uint64_t bytes) {
    struct rlimit limit;
    if (signal(SIGXFSZ, SIG_IGN) == SIG_ERR || getrlimit(RLIMIT_FSIZE, &limit) < 0) return -errno;
    limit.rlim_cur = bytes;
    return setrlimit(RLIMIT_FSIZE, &limit) < 0 ? -errno : 0;
}
