/* Who may write a cassette. POSIX locks on bytes far behind the file's end: they belong to one
 * process, are not inherited, and go when it does, however it ends.
 *   CONTROLLER  the run that records: another one is refused
 *   WRITER      who writes: the run itself, or its keeper, which may outlive it; who opens the file
 *               then waits
 *   CALLS, SECONDS  of a keeper alone: as many bytes as it has calls, and seconds for them */
#include "agent/llm/cassette_state.h"

#include "agent/cli.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const off_t CONTROLLER = (off_t)1 << 60, WRITER = ((off_t)1 << 60) + 1,
                   CALLS = (off_t)1 << 61, SECONDS = ((off_t)1 << 61) + ((off_t)1 << 32);
static const off_t MOST = (off_t)1 << 31; /* bytes of a number */

static bool set(int fd, short type, off_t from, off_t n)
{
    struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = from, .l_len = n};
    return fcntl(fd, F_SETLK, &l) == 0;
}

static off_t held(int fd, off_t from)
{
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = from, .l_len = MOST};
    return fcntl(fd, F_GETLK, &l) == 0 && l.l_type != F_UNLCK && l.l_start == from ? l.l_len : 0;
}

static bool is_taken(void)
{
    return errno == EACCES || errno == EAGAIN;
}

void cassette_mark(const cassette *c)
{
    char *slash = strrchr(c->mark, '/');
    char *dir = slash ? ws_strndup(c->mark, (size_t)(slash - c->mark) + 1) : ws_strdup(".");
    int fd = open(c->mark, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd)) /* then a loss of power may not be noticed */
        ws_log(WS_LOG_DEBUG, "cannot sync the directory of '%s'", c->mark);
    if (fd >= 0)
        close(fd);
    free(dir);
}

void cassette_unmark(const cassette *c)
{
    unlink(c->mark);
}

ws_status cassette_lock_writer(cassette *c, ws_err *err)
{
    return set(c->fd, F_WRLCK, WRITER, 1)
               ? WS_OK
               : ws_fail_errno(err, WS_EENV, "cannot lock '%s'", c->path);
}

void cassette_unlock_writer(cassette *c)
{
    set(c->fd, F_UNLCK, WRITER, 1);
}

void cassette_lock_state(cassette *c, int calls, double seconds)
{
    set(c->fd, F_UNLCK, CALLS, MOST);
    set(c->fd, F_UNLCK, SECONDS, MOST);
    if (seconds > 0)
        set(c->fd, F_WRLCK, SECONDS, (off_t)fmin(ceil(seconds), 1e9));
    if (calls > 0)
        set(c->fd, F_WRLCK, CALLS, calls);
}

/* The keeper of a run that is gone: its calls are paid for, so their answers are waited for. */
static ws_status wait_for_writer(cassette *c, ws_err *err)
{
    enum { STEP_MS = 20, GRACE_S = 60 };
    int64_t begin = ws_now_ns();
    double most_s = 0;
    bool told = false;
    while (!set(c->fd, F_WRLCK, WRITER, 1)) {
        if (!is_taken())
            return ws_fail_errno(err, WS_EENV, "cannot lock '%s'", c->path);
        int calls = (int)held(c->fd, CALLS);
        most_s = fmax(most_s, (double)held(c->fd, SECONDS));
        if (calls && !told)
            fprintf(stderr,
                    "warpsmith: waiting for %d call%s of the earlier run still in flight, at most "
                    "%.0f s\n",
                    calls, calls == 1 ? "" : "s", most_s);
        told |= calls > 0;
        if (cli_interrupted)
            return ws_fail(err, WS_EENV, "interrupted while calls of the earlier run to '%s' end",
                           c->path);
        if (ws_seconds_since(begin) > most_s + GRACE_S)
            return ws_fail(err, WS_EENV, "an earlier run's calls are still recorded to '%s'",
                           c->path);
        ws_sleep_ms(STEP_MS);
    }
    return WS_OK;
}

ws_status cassette_lock(cassette *c, ws_err *err)
{
    if (set(c->fd, F_WRLCK, CONTROLLER, 1)) {
        if (wait_for_writer(c, err))
            return err->status;
        c->broken = access(c->mark, F_OK) == 0;
        return WS_OK;
    }
    if (is_taken())
        return ws_fail(err, WS_EENV, "another run is recording to '%s'", c->path);
    return ws_fail_errno(err, WS_EENV, "cannot lock '%s'", c->path);
}
