// What Swift cannot call by itself: variadic functions (prctl, syscall) and headers of Linux that its module of the C
// library leaves out. Elsewhere every function fails with ENOSYS, so that one source compiles everywhere.
#ifndef LATCHD_CPROCESS_SHIM_H
#define LATCHD_CPROCESS_SHIM_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#endif

// Orphans among this process's descendants become its children.
static inline int latchd_become_subreaper(void) {
#ifdef __linux__
    return prctl(PR_SET_CHILD_SUBREAPER, 1UL, 0UL, 0UL, 0UL);
#else
    errno = ENOSYS;
    return -1;
#endif
}

// The kernel sends `signal` to this process when its parent dies. Survives execve.
static inline int latchd_signal_at_parents_death(int signal) {
#ifdef __linux__
    return prctl(PR_SET_PDEATHSIG, (unsigned long)signal, 0UL, 0UL, 0UL);
#else
    errno = ENOSYS;
    return -1;
#endif
}

// The name that ps shows for a process (15 bytes at most).
static inline int latchd_set_name(const char *name) {
#ifdef __linux__
    return prctl(PR_SET_NAME, name, 0UL, 0UL, 0UL);
#else
    errno = ENOSYS;
    return -1;
#endif
}

// A descriptor that becomes readable at a moment of the clock that counts suspended time too.
static inline int latchd_boot_timer(void) {
#ifdef __linux__
    return timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
#else
    errno = ENOSYS;
    return -1;
#endif
}

// Sets the timer to an absolute moment in nanoseconds; 0: never.
static inline int latchd_set_boot_timer(int descriptor, uint64_t nanoseconds) {
#ifdef __linux__
    struct itimerspec when;
    memset(&when, 0, sizeof when);
    when.it_value.tv_sec = (time_t)(nanoseconds / 1000000000u);
    when.it_value.tv_nsec = (long)(nanoseconds % 1000000000u);
    return timerfd_settime(descriptor, TFD_TIMER_ABSTIME, &when, NULL);
#else
    errno = ENOSYS;
    return -1;
#endif
}

// A descriptor from which the signals of `set` are read; they must be blocked.
static inline int latchd_signal_descriptor(const sigset_t *set) {
#ifdef __linux__
    return signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
#else
    errno = ENOSYS;
    return -1;
#endif
}

// The number of the next signal; 0: there is none now.
static inline int latchd_next_signal(int descriptor) {
#ifdef __linux__
    struct signalfd_siginfo info;
    ssize_t count = read(descriptor, &info, sizeof info);
    return count == (ssize_t)sizeof info ? (int)info.ssi_signo : 0;
#else
    return 0;
#endif
}

// A descriptor that means this process and never another one that got its number later.
static inline int latchd_open_process(pid_t process) {
#ifdef __linux__
    return (int)syscall(SYS_pidfd_open, process, 0u);
#else
    errno = ENOSYS;
    return -1;
#endif
}

static inline int latchd_signal_process(int descriptor, int signal) {
#ifdef __linux__
    return (int)syscall(SYS_pidfd_send_signal, descriptor, signal, NULL, 0u);
#else
    errno = ENOSYS;
    return -1;
#endif
}

// Collects one child that has ended and gives its number; 0: there are children, and none of them has ended; -1 with
// ECHILD: there is no child.
static inline pid_t latchd_collect_child(void) {
    pid_t child;
    do {
#ifdef __linux__
        child = waitpid(-1, NULL, WNOHANG | __WALL);
#else
        child = waitpid(-1, NULL, WNOHANG);
#endif
    } while (child < 0 && errno == EINTR);
    return child;
}

// Both ends close on exec.
static inline int latchd_pipe(int ends[2]) {
#ifdef __linux__
    return (int)syscall(SYS_pipe2, ends, O_CLOEXEC);
#else
    if (pipe(ends) != 0) return -1;
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    return 0;
#endif
}

#endif
