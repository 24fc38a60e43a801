/* The specs that ship, under <home>/specs. */
#include "base/file.h"
#include "base/json.h"
#include "specs/spec.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct paths {
    char **item;
    int n, cap;
} paths;

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* nftw() hands no context through; the catalogue is listed by one thread. */
static paths *collecting;

static int collect(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    size_t n = strlen(path);
    (void)st, (void)ftw;
    if (type == FTW_F && n > 5 && strcmp(path + n - 5, ".json") == 0) {
        WS_GROW(collecting->item, collecting->n, collecting->cap);
        collecting->item[collecting->n++] = ws_strdup(path);
    }
    return 0;
}

static void release(paths *p)
{
    for (int i = 0; i < p->n; i++)
        free(p->item[i]);
    free(p->item);
}

static ws_status list(paths *out, ws_err *err)
{
    ws_buf root = {0};
    ws_home_path(&root, "specs");
    collecting = out;
    int rc = nftw(ws_buf_z(&root), collect, 16, FTW_PHYS);
    if (rc) {
        ws_fail_errno(err, WS_EENV, "cannot list the specs under '%s'", ws_buf_z(&root));
        ws_hint(err, "set WARPSMITH_HOME to the source tree");
    } else if (out->n) {
        qsort(out->item, (size_t)out->n, sizeof *out->item, by_name);
    }
    ws_buf_release(&root);
    return rc ? WS_EENV : WS_OK;
}

ws_status spec_catalogue(void (*visit)(void *ud, const char *path), void *ud, ws_err *err)
{
    paths p = {0};
    ws_status st = list(&p, err);
    for (int i = 0; !st && i < p.n; i++)
        visit(ud, p.item[i]);
    release(&p);
    return st;
}

/* "softmax" and "basics/softmax" both name ".../specs/basics/softmax.json". */
static bool matches(const char *path, const char *name)
{
    size_t n = strlen(path) - strlen(".json"), m = strlen(name);
    return n > m && path[n - m - 1] == '/' && strncmp(path + n - m, name, m) == 0;
}

static ws_status unknown(const paths *p, const char *name, ws_err *err)
{
    const char **names = ws_calloc((size_t)p->n + 1, sizeof *names);
    ws_arena a = {0};
    for (int i = 0; i < p->n; i++) {
        const char *base = strrchr(p->item[i], '/') + 1;
        names[i] = ws_arena_strndup(&a, base, strlen(base) - strlen(".json"));
    }
    const char *slash = strrchr(name, '/'), *near = ws_nearest(slash ? slash + 1 : name, names);
    ws_fail(err, WS_EINPUT, "no spec is called '%s'", name);
    if (near)
        ws_hint(err, "did you mean '%s'?", near);
    else
        ws_hint(err, "'warpsmith spec list' lists them; a path ends in .json");
    ws_arena_release(&a);
    free(names);
    return err->status;
}

ws_status spec_find(const char *name, spec **out, ws_err *err)
{
    size_t n = strlen(name);
    paths p = {0};
    const char *found = NULL;
    int hits = 0;
    if (n > 5 && strcmp(name + n - 5, ".json") == 0)
        return spec_load(name, out, err);
    if (list(&p, err)) {
        release(&p);
        return err->status;
    }
    for (int i = 0; i < p.n; i++)
        if (matches(p.item[i], name)) {
            found = p.item[i];
            hits++;
        }
    ws_status st;
    if (hits == 1)
        st = spec_load(found, out, err);
    else if (!hits)
        st = unknown(&p, name, err);
    else {
        st = ws_fail(err, WS_EINPUT, "%d specs are called '%s'", hits, name);
        ws_hint(err, "name one with its folder, such as basics/%s", name);
    }
    release(&p);
    return st;
}
