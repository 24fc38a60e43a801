#include "agent/sweep/suite.h"

#include "base/file.h"
#include "base/json.h"

#include <fnmatch.h>
#include <ftw.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_LIST_BYTES = 4 << 20, MAX_NESTED = 3 };

/* ---- the catalogue ---- */

typedef struct names {
    ws_arena *arena;
    const char **item; /* "basics/softmax" */
    int n, cap;
} names;

static void take_name(void *ud, const char *path)
{
    names *c = ud;
    const char *at = strstr(path, "/specs/");
    for (const char *next; at && (next = strstr(at + 1, "/specs/"));)
        at = next;
    at = at ? at + strlen("/specs/") : path;
    WS_GROW(c->item, c->n, c->cap);
    c->item[c->n++] = ws_arena_strndup(c->arena, at, strlen(at) - strlen(".json"));
}

static ws_status read_catalogue(ws_arena *a, names *out, ws_err *err)
{
    *out = (names){.arena = a};
    return spec_catalogue(take_name, out, err);
}

/* Bytes of the folders of `name` up to number `depth`, from 1; 0: it has fewer. */
static size_t folder(const char *name, int depth)
{
    const char *p = name;
    while (depth-- && (p = strchr(p, '/')))
        p++;
    return p ? (size_t)(p - 1 - name) : 0;
}

static int count_below(const names *c, const char *dir, size_t n)
{
    int count = 0;
    for (int i = 0; i < c->n; i++)
        count += strncmp(c->item[i], dir, n) == 0 && c->item[i][n] == '/';
    return count;
}

static void list_suites(const names *c, ws_buf *out)
{
    ws_buf_printf(out, "all (%d)", c->n);
    for (int i = 0; i < c->n; i++)
        for (int depth = 1; depth < 4; depth++) {
            size_t n = folder(c->item[i], depth), before = i ? folder(c->item[i - 1], depth) : 0;
            if (n && (n != before || strncmp(c->item[i], c->item[i - 1], n) != 0))
                ws_buf_printf(out, ", %.*s (%d)", (int)n, c->item[i],
                              count_below(c, c->item[i], n));
        }
}

ws_status suite_list(ws_buf *out, ws_err *err)
{
    ws_arena a = {0};
    names c;
    ws_status st = read_catalogue(&a, &c, err);
    if (!st)
        list_suites(&c, out);
    free(c.item);
    ws_arena_release(&a);
    return st;
}

/* ---- adding ---- */

static bool has(const suite *s, const char *name)
{
    for (int i = 0; i < s->n; i++)
        if (strcmp(s->spec[i].name, name) == 0)
            return true;
    return false;
}

/* `alone`: it was named by itself, so that what is wrong with it is an error. */
static ws_status add(suite *s, const char *given, bool alone, ws_err *err)
{
    spec *sp = NULL;
    ws_err why = {0};
    suite_spec x = {.given = ws_arena_strdup(&s->arena, given), .sha256 = ""};
    if (!spec_find(given, &sp, &why)) {
        x.name = ws_arena_strdup(&s->arena, sp->name);
        x.sha256 = ws_arena_strdup(&s->arena, sp->sha256);
    } else if (alone) {
        *err = why;
        return err->status;
    } else {
        x.name = x.given;
        x.error = ws_arena_strdup(&s->arena, why.msg);
    }
    spec_free(sp);
    if (has(s, x.name))
        return WS_OK;
    WS_GROW(s->spec, s->n, s->cap);
    s->spec[s->n++] = x;
    return WS_OK;
}

/* ---- kinds of names ---- */

/* The folder of the catalogue that `dir` names, whole or by its end ("level1"): its length in
 * `*in`, 0: none. Of several with that end the first. */
static size_t find_folder(const names *c, const char *dir, const char **in)
{
    size_t n = strlen(dir);
    if (count_below(c, dir, n)) {
        *in = dir;
        return n;
    }
    for (int i = 0; i < c->n; i++)
        for (const char *p = c->item[i]; (p = strchr(p, '/'));)
            if (strncmp(++p, dir, n) == 0 && p[n] == '/') {
                *in = c->item[i];
                return (size_t)(p - c->item[i]) + n;
            }
    return 0;
}

static int add_folder(suite *s, const names *c, const char *dir, ws_err *err)
{
    const char *in = NULL;
    bool all = strcmp(dir, "all") == 0;
    size_t n = all ? 0 : find_folder(c, dir, &in);
    int added = 0;
    for (int i = 0; i < c->n && (all || n); i++) {
        if (!all && (strncmp(c->item[i], in, n) != 0 || c->item[i][n] != '/'))
            continue;
        if (add(s, c->item[i], false, err))
            return -1;
        added++;
    }
    return added;
}

static int add_pattern(suite *s, const names *c, const char *pattern, ws_err *err)
{
    int added = 0;
    glob_t g = {0};
    for (int i = 0; i < c->n; i++)
        if (fnmatch(pattern, c->item[i], 0) == 0) {
            if (add(s, c->item[i], false, err))
                return -1;
            added++;
        }
    if (!added && glob(pattern, 0, NULL, &g) == 0)
        for (size_t i = 0; i < g.gl_pathc && added >= 0; i++) {
            size_t n = strlen(g.gl_pathv[i]);
            if (n > 5 && strcmp(g.gl_pathv[i] + n - 5, ".json") == 0)
                added = add(s, g.gl_pathv[i], false, err) ? -1 : added + 1;
        }
    globfree(&g);
    return added;
}

/* nftw() hands no context through; folders are listed by one thread. */
static names *collecting;

static int collect(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    size_t n = strlen(path);
    (void)st, (void)ftw;
    if (type == FTW_F && n > 5 && strcmp(path + n - 5, ".json") == 0) {
        WS_GROW(collecting->item, collecting->n, collecting->cap);
        collecting->item[collecting->n++] = ws_arena_strdup(collecting->arena, path);
    }
    return 0;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static ws_status add_directory(suite *s, const char *dir, ws_err *err)
{
    names found = {.arena = &s->arena};
    ws_status st = WS_OK;
    collecting = &found;
    if (nftw(dir, collect, 16, FTW_PHYS))
        st = ws_fail_errno(err, WS_EINPUT, "cannot list folder '%s'", dir);
    else if (!found.n)
        st = ws_fail(err, WS_EINPUT, "folder '%s' has no *.json", dir);
    if (found.n)
        qsort(found.item, (size_t)found.n, sizeof *found.item, by_text);
    for (int i = 0; i < found.n && !st; i++)
        st = add(s, found.item[i], false, err);
    free(found.item);
    return st;
}

static ws_status add_any(suite *s, const names *c, const char *name, int depth, ws_err *err);

static ws_status add_list(suite *s, const names *c, const char *path, int depth, ws_err *err)
{
    ws_buf text = {0};
    int line = 0, before = s->n;
    if (depth == MAX_NESTED)
        return ws_fail(err, WS_EINPUT, "list '%s': lists name lists %d deep", path, MAX_NESTED);
    ws_status st = ws_read_file(path, MAX_LIST_BYTES, &text, err);
    for (const char *p = ws_buf_z(&text); !st && *p;) {
        size_t n = strcspn(p, "\n");
        ws_str row = ws_str_trim((ws_str){p, n});
        line++;
        if (row.n && row.p[0] != '#' &&
            (st = add_any(s, c, ws_arena_strndup(&s->arena, row.p, row.n), depth + 1, err)))
            ws_wrap(err, "%s:%d", path, line);
        p += n + (p[n] == '\n');
    }
    if (!st && s->n == before)
        st = ws_fail(err, WS_EINPUT, "list '%s' names no spec that is not named before", path);
    ws_buf_release(&text);
    return st;
}

/* ---- any name ---- */

static ws_status unknown(const names *c, const char *name, const ws_err *why, ws_err *err)
{
    ws_buf list = {0};
    list_suites(c, &list);
    ws_fail(err, WS_EINPUT, "no suite, spec, folder or pattern '%s'", name);
    if (strncmp(why->hint, "did you mean", strlen("did you mean")) == 0)
        ws_hint(err, "%s suites are %s", why->hint, ws_buf_z(&list));
    else
        ws_hint(err, "suites are %s; 'warpsmith spec list' shows the specs", ws_buf_z(&list));
    ws_buf_release(&list);
    return err->status;
}

static bool is_directory(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static ws_status add_any(suite *s, const names *c, const char *given, int depth, ws_err *err)
{
    char name[4096];
    size_t n = strlen(given);
    ws_err why = {0};
    while (n > 1 && given[n - 1] == '/')
        n--;
    snprintf(name, sizeof name, "%.*s", (int)n, given);
    if (name[0] == '@')
        return add_list(s, c, name + 1, depth, err);
    if (n > 5 && strcmp(name + n - 5, ".json") == 0 && !strpbrk(name, "*?["))
        return add(s, name, true, err);
    int added = strpbrk(name, "*?[") ? add_pattern(s, c, name, err) : add_folder(s, c, name, err);
    if (added)
        return added > 0 ? WS_OK : err->status;
    if (is_directory(name))
        return add_directory(s, name, err);
    if (!add(s, name, true, &why))
        return WS_OK;
    if (strstr(why.msg, "specs are called")) { /* more than one, not none */
        *err = why;
        return err->status;
    }
    return unknown(c, name, &why, err);
}

ws_status suite_open(const char *const *name, int n, suite *out, ws_err *err)
{
    suite s = {0};
    names c;
    ws_status st = read_catalogue(&s.arena, &c, err);
    for (int i = 0; i < n && !st; i++)
        st = add_any(&s, &c, name[i], 0, err);
    free(c.item);
    if (st)
        suite_release(&s);
    else
        *out = s;
    return st;
}

void suite_release(suite *s)
{
    free(s->spec);
    ws_arena_release(&s->arena);
    *s = (suite){0};
}
