/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stop.c - see stop.h; hides the handlers and the eventfd they write to
 *
 * An eventfd and not a signalfd, so that it works whichever thread the signal
 * reaches and whatever mask a library's thread has.
 */
#include "base/stop.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"

static _Atomic int first_signal;
static _Atomic int event_fd = -1;

void stop_request(int signo)
{
    int saved = errno;
    int expected = 0;
    int fd = atomic_load(&event_fd);
    uint64_t one = 1;

    if (atomic_compare_exchange_strong(&first_signal, &expected, signo) &&
        fd >= 0) {
        /* Cannot fail: it is written once. */
        ssize_t n = write(fd, &one, sizeof(one));

        (void)n;
    }
    errno = saved;
}

static int handle(int signo, struct error *err)
{
    struct sigaction act = {.sa_handler = stop_request, .sa_flags = SA_RESTART};
    struct sigaction old;

    if (sigaction(signo, NULL, &old) < 0)
        return error_errno(err, errno, "reading the handler of %s",
                           strsignal(signo));
    if (signo == SIGHUP && old.sa_handler == SIG_IGN)
        return 0;
    sigfillset(&act.sa_mask);
    if (sigaction(signo, &act, NULL) < 0)
        return error_errno(err, errno, "setting the handler of %s",
                           strsignal(signo));
    return 0;
}

int stop_init(struct error *err)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigset_t set;

    if (atomic_load(&event_fd) < 0) {
        int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

        if (fd < 0)
            return error_errno(err, errno, "creating an eventfd");
        atomic_store(&event_fd, fd);
    }
    /* Writes that fail say so by themselves. */
    if (sigaction(SIGPIPE, &ignore, NULL) < 0 ||
        sigaction(SIGXFSZ, &ignore, NULL) < 0)
        return error_errno(err, errno, "ignoring SIGPIPE and SIGXFSZ");
    sigemptyset(&set);
    for (size_t i = 0; i < array_size(signals); i++) {
        if (handle(signals[i], err) < 0)
            return -1;
        sigaddset(&set, signals[i]);
    }
    /* Whoever started us may have blocked them. */
    if (pthread_sigmask(SIG_UNBLOCK, &set, NULL) != 0)
        return error_set(err, ERR_SYSTEM, "unblocking signals");
    return 0;
}

int stop_requested(void)
{
    return atomic_load(&first_signal);
}

int stop_fd(void)
{
    return atomic_load(&event_fd);
}

int stop_check(struct error *err)
{
    int signo = stop_requested();
    const char *name;

    if (!signo)
        return 0;
    name = sigabbrev_np(signo);
    return error_set_code(err, ERR_STOPPED, signo, "ended by SIG%s",
                          name ? name : "nal");
}

enum stop_outcome stop_wait(int fd, int timeout_ms)
{
    int64_t deadline = clock_ms() + timeout_ms;
    struct pollfd p[2] = {{stop_fd(), POLLIN, 0}, {fd, POLLIN, 0}};
    int left = timeout_ms;

    for (;;) {
        int n;

        if (stop_requested())
            return STOP_NOW;
        n = poll(p, 2, left);
        if (stop_requested())
            return STOP_NOW;
        if (n > 0 && p[1].revents)
            return STOP_READY;
        if (n == 0)
            return STOP_TIMEOUT;
        if (timeout_ms >= 0) {
            int64_t rest = deadline - clock_ms();

            left = rest > 0 ? (int)rest : 0;
        }
    }
}
