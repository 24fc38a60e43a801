#include "base/file.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static ws_status read_fd(int fd, const char *path, size_t max_bytes, ws_buf *out, ws_err *err)
{
    char chunk[65536];
    size_t total = 0;
    for (;;) {
        ssize_t got = read(fd, chunk, sizeof chunk);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ws_fail_errno(err, WS_EINPUT, "cannot read '%s'", path);
        if (got == 0)
            return WS_OK;
        total += (size_t)got;
        if (total > max_bytes)
            return ws_fail(err, WS_EINPUT, "'%s' is larger than the limit of %zu bytes", path,
                           max_bytes);
        ws_buf_add(out, chunk, (size_t)got);
    }
}

ws_status ws_read_file(const char *path, size_t max_bytes, ws_buf *out, ws_err *err)
{
    if (strcmp(path, "-") == 0)
        return read_fd(STDIN_FILENO, "standard input", max_bytes, out, err);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ws_fail_errno(err, WS_EINPUT, "cannot open '%s'", path);
    ws_status st = read_fd(fd, path, max_bytes, out, err);
    close(fd);
    return st;
}

bool ws_write_all(int fd, const void *data, size_t n)
{
    const char *p = data;
    while (n) {
        ssize_t put = write(fd, p, n);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return false;
        p += put;
        n -= (size_t)put;
    }
    return true;
}

ws_status ws_write_file(const char *path, const void *data, size_t n, ws_err *err)
{
    if (strcmp(path, "-") == 0)
        return ws_write_all(STDOUT_FILENO, data, n)
                   ? WS_OK
                   : ws_fail_errno(err, WS_EENV, "cannot write standard output");
    char temp[PATH_MAX];
    if (snprintf(temp, sizeof temp, "%s.tmp%d", path, (int)getpid()) >= (int)sizeof temp)
        return ws_fail(err, WS_EINPUT, "path '%s' is too long", path);
    int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return ws_fail_errno(err, WS_EENV, "cannot create '%s'", path);
    bool ok = ws_write_all(fd, data, n);
    ok = close(fd) == 0 && ok;
    if (ok && rename(temp, path) == 0)
        return WS_OK;
    ws_fail_errno(err, WS_EENV, "cannot write '%s'", path);
    unlink(temp);
    return err->status;
}

ws_status ws_make_dirs(const char *path, ws_err *err)
{
    char part[PATH_MAX];
    if (snprintf(part, sizeof part, "%s", path) >= (int)sizeof part)
        return ws_fail(err, WS_EINPUT, "path '%s' is too long", path);
    for (char *p = part + 1;; p++) {
        if (*p != '/' && *p != '\0')
            continue;
        char end = *p;
        *p = '\0';
        if (mkdir(part, 0777) && errno != EEXIST)
            return ws_fail_errno(err, WS_EENV, "cannot create directory '%s'", part);
        if (!end)
            return WS_OK;
        *p = end;
    }
}

bool ws_file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

const char *ws_home_dir(void)
{
    static char home[PATH_MAX];
    if (home[0])
        return home;
    const char *set = getenv("WARPSMITH_HOME");
    if (set && *set) {
        snprintf(home, sizeof home, "%s", set);
        return home;
    }
    ssize_t n = readlink("/proc/self/exe", home, sizeof home - 1);
    home[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(home, '/');
    if (slash)
        *slash = '\0';
    /* Test programs live in build/tests/, the CPU driver and the worker in build/. */
    for (char *up; (up = strrchr(home, '/')) && access(home, F_OK) == 0;) {
        char probe[PATH_MAX + 32];
        snprintf(probe, sizeof probe, "%s/specs/basics", home);
        if (access(probe, F_OK) == 0)
            return home;
        *up = '\0';
    }
    snprintf(home, sizeof home, ".");
    return home;
}

void ws_home_path(ws_buf *out, const char *relative)
{
    ws_buf_printf(out, "%s/%s", ws_home_dir(), relative);
}

void ws_cache_dir(ws_buf *out)
{
    const char *own = getenv("WARPSMITH_CACHE"), *xdg = getenv("XDG_CACHE_HOME");
    const char *user = getenv("HOME");
    if (own && *own)
        ws_buf_adds(out, own);
    else if (xdg && *xdg)
        ws_buf_printf(out, "%s/warpsmith", xdg);
    else
        ws_buf_printf(out, "%s/.cache/warpsmith", user && *user ? user : "/tmp");
}
