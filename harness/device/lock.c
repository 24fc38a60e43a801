/* The timing lane of a device: a lock that ends with the process that holds it. */
#include "harness/device/pool.h"

#include "base/clock.h"
#include "base/file.h"
#include "harness/device/note.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { POLL_MS = 20 };

static ws_status open_lock(const char *uuid, int *out, ws_err *err)
{
    ws_buf path = {0}, dir = {0};
    ws_cache_dir(&dir);
    dev_note_path(uuid, ".lock", &path);
    if (!ws_make_dirs(ws_buf_z(&dir), err)) {
        *out = open(ws_buf_z(&path), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (*out < 0)
            ws_fail_errno(err, WS_EENV, "cannot open '%s'", ws_buf_z(&path));
    }
    ws_buf_release(&dir);
    ws_buf_release(&path);
    return err->status;
}

static void name_holder(int fd, char out[64])
{
    const ssize_t n = pread(fd, out, 63, 0);
    out[n > 0 ? n : 0] = '\0';
    out[strspn(out, "0123456789")] = '\0';
}

/* Who it is is for the messages of others alone. */
static void sign(int fd)
{
    char text[32];
    const int n = snprintf(text, sizeof text, "%d\n", (int)getpid());
    if (!ftruncate(fd, 0))
        (void)!pwrite(fd, text, (size_t)n, 0);
}

ws_status dev_lock_take(const char *uuid, double seconds, dev_lock *out, ws_err *err)
{
    const int64_t deadline = ws_now_ns() + (int64_t)(seconds * 1e9);
    char holder[64];
    out->fd = -1;
    if (open_lock(uuid, &out->fd, err))
        return err->status;
    while (flock(out->fd, LOCK_EX | LOCK_NB)) {
        if (errno != EWOULDBLOCK && errno != EINTR) {
            ws_fail_errno(err, WS_EENV, "cannot lock device %s", uuid);
            dev_lock_give(out);
            return err->status;
        }
        if (ws_now_ns() >= deadline) {
            name_holder(out->fd, holder);
            dev_lock_give(out);
            ws_fail(err, WS_ELIMIT, "another program times on device %s (process %s)", uuid,
                    holder[0] ? holder : "unknown");
            return ws_hint(err, "wait for its end: two at once would spoil both measurements");
        }
        ws_sleep_ms(POLL_MS);
    }
    sign(out->fd);
    return WS_OK;
}

void dev_lock_give(dev_lock *l)
{
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
}
