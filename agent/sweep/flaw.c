#include "agent/sweep/flaw.h"

#include "agent/sweep/child.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "verifier/lint.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TABLE = 4 << 20, MAX_WAIT_S = 30 };

struct flaw_table {
    cJSON *root;
};

/* In the order in which the first one is named. */
static const lint_kind strict[] = {LINT_ZEROS, LINT_CONSTANT, LINT_COPY, LINT_OTHER_INPUTS};
static const lint_kind loose[] = {LINT_LOOSE_ZEROS, LINT_LOOSE_CONSTANT, LINT_LOOSE_COPY,
                                  LINT_LOOSE_OTHER};

ws_status flaw_open(flaw_table **out, ws_err *err)
{
    ws_buf path = {0}, text = {0};
    cJSON *root = NULL;
    ws_home_path(&path, "agent/sweep/flaws.json");
    ws_status st = ws_read_file(ws_buf_z(&path), MAX_TABLE, &text, err);
    if (!st && ws_json_parse(ws_buf_z(&text), text.n, &root, err))
        st = ws_wrap(err, "'%s'", ws_buf_z(&path));
    if (!st) {
        *out = ws_calloc(1, sizeof **out);
        (*out)->root = root;
    }
    ws_buf_release(&path);
    ws_buf_release(&text);
    return st;
}

void flaw_close(flaw_table *t)
{
    if (t)
        cJSON_Delete(t->root);
    free(t);
}

static const char *text_of(const cJSON *o, const char *key)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, key));
}

bool flaw_known(const flaw_table *t, const char *sha256, flaw_rule rule, ws_arena *a,
                const char **why)
{
    const cJSON *row;
    cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(t->root, "specs"))
    {
        const char *is = text_of(row, "sha256");
        if (!is || strcmp(is, sha256) != 0)
            continue;
        const char *flaw = text_of(row, "flaw");
        if (!flaw && rule == FLAW_LOOSE)
            flaw = text_of(row, "loose");
        *why = flaw ? ws_arena_strdup(a, flaw) : NULL;
        return true;
    }
    return false;
}

/* ---- asking ---- */

typedef struct question {
    const char *spec;
    double seconds;
} question;

static const lint_finding *find(const lint_report *r, const lint_kind *kind, size_t n)
{
    for (size_t k = 0; k < n; k++)
        for (int i = 0; i < r->n; i++)
            if (r->finding[i].kind == kind[k])
                return &r->finding[i];
    return NULL;
}

/* Prints {"flaw": ..., "loose": ...} of what was found. */
static ws_status lint_main(void *ud, int *exit_code, ws_err *err)
{
    const question *q = ud;
    spec *s = NULL;
    lint_report r;
    ws_arena a = {0};
    (void)exit_code;
    if (spec_find(q->spec, &s, err) || vfy_lint(s, 1, q->seconds, &a, &r, err))
        return err->status;
    const lint_finding *f = find(&r, strict, WS_COUNT(strict)),
                       *l = find(&r, loose, WS_COUNT(loose));
    cJSON *o = cJSON_CreateObject();
    if (f)
        cJSON_AddStringToObject(o, "flaw", f->text);
    if (l)
        cJSON_AddStringToObject(o, "loose", l->text);
    puts(ws_json_text(o, &a));
    cJSON_Delete(o);
    return WS_OK;
}

ws_status flaw_ask(const char *spec_given, double seconds, flaw_rule rule, ws_arena *a,
                   const char **why, ws_err *err)
{
    question q = {spec_given, seconds};
    int64_t start = ws_now_ns();
    child *c;
    child_end end;
    bool over = false;
    *why = NULL;
    if (child_start(lint_main, &q, &c, err))
        return err->status;
    while (!over) {
        char *line = child_line(c, &over);
        cJSON *o = line ? cJSON_Parse(line) : NULL;
        const char *flaw = text_of(o, "flaw");
        if (!flaw && rule == FLAW_LOOSE)
            flaw = text_of(o, "loose");
        if (flaw)
            *why = ws_arena_strdup(a, flaw);
        cJSON_Delete(o);
        if (!line && !over)
            poll(&(struct pollfd){.fd = child_fd(c), .events = POLLIN}, 1, 50);
        if (ws_seconds_since(start) > MAX_WAIT_S)
            child_kill(c);
    }
    child_finish(c, &end); /* what the linter cannot say of a spec is no flaw of it */
    return WS_OK;
}
