/* Replies by key: a few in memory, all of them on disk. A file is the SHA-256 of its content and
 * the content, so that a damaged one counts as absent; it appears by rename, so that two processes
 * may share a directory. */
#include "harness/compile/internal.h"

#include "base/file.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { N_RECENT = 32, MAX_RECENT_BYTES = 1 << 20 };

struct comp_cache {
    char dir[PATH_MAX];
    struct {
        char key[WS_SHA256_HEX];
        ws_buf bytes;
    } recent[N_RECENT];
    int next;
    ws_buf file;
};

comp_cache *comp_cache_new(const char *dir)
{
    comp_cache *c = ws_calloc(1, sizeof *c);
    if (snprintf(c->dir, sizeof c->dir, "%s", dir) >= (int)sizeof c->dir)
        c->dir[0] = '\0';
    c->file.max = COMP_MAX_REPLY;
    return c;
}

void comp_cache_free(comp_cache *c)
{
    if (!c)
        return;
    for (int i = 0; i < N_RECENT; i++)
        ws_buf_release(&c->recent[i].bytes);
    ws_buf_release(&c->file);
    free(c);
}

static void remember(comp_cache *c, const char *key, ws_str bytes)
{
    if (bytes.n > MAX_RECENT_BYTES)
        return;
    ws_buf *b = &c->recent[c->next].bytes;
    snprintf(c->recent[c->next].key, WS_SHA256_HEX, "%s", key);
    ws_buf_reset(b);
    ws_buf_add(b, bytes.p, bytes.n);
    c->next = (c->next + 1) % N_RECENT;
}

/* <dir>/ab/abcdef...; false: no directory, or too long a path. */
static bool entry_path(const comp_cache *c, const char *key, char out[PATH_MAX])
{
    return c->dir[0] && snprintf(out, PATH_MAX, "%s/%.2s/%s", c->dir, key, key) < PATH_MAX;
}

bool comp_cache_get(comp_cache *c, const char *key, ws_str *out)
{
    char path[PATH_MAX], hex[WS_SHA256_HEX];
    ws_err err = {0};
    for (int i = 0; i < N_RECENT; i++)
        if (strcmp(c->recent[i].key, key) == 0) {
            *out = (ws_str){ws_buf_z(&c->recent[i].bytes), c->recent[i].bytes.n};
            return true;
        }
    ws_buf_reset(&c->file);
    if (!entry_path(c, key, path) || access(path, R_OK) ||
        ws_read_file(path, COMP_MAX_REPLY, &c->file, &err))
        return false;
    const size_t head = WS_SHA256_HEX - 1;
    if (c->file.n >= head)
        ws_sha256_of(c->file.p + head, c->file.n - head, hex);
    if (c->file.n < head || memcmp(c->file.p, hex, head) != 0) {
        ws_log(WS_LOG_DEBUG, "cache entry '%s' is damaged: it is made again", path);
        return false;
    }
    *out = (ws_str){c->file.p + head, c->file.n - head};
    remember(c, key, *out);
    return true;
}

void comp_cache_put(comp_cache *c, const char *key, ws_str bytes)
{
    char path[PATH_MAX], hex[WS_SHA256_HEX];
    ws_err err = {0};
    remember(c, key, bytes);
    if (!entry_path(c, key, path))
        return;
    ws_sha256_of(bytes.p, bytes.n, hex);
    ws_buf content = {.max = COMP_MAX_REPLY + WS_SHA256_HEX};
    ws_buf_add(&content, hex, WS_SHA256_HEX - 1);
    ws_buf_add(&content, bytes.p, bytes.n);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    ws_status st = ws_make_dirs(path, &err);
    *slash = '/';
    /* A full disk or a read-only home costs time, not the result. */
    if (!st)
        st = ws_write_file(path, content.p, content.n, &err);
    if (st)
        ws_log(WS_LOG_DEBUG, "compile cache: %s", err.msg);
    ws_buf_release(&content);
}
