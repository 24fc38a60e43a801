#define PCRE2_CODE_UNIT_WIDTH 8
#include "tests/mutate/ledger.h"

#include "base/file.h"
#include "tests/mutate/judge.h"

#include <fnmatch.h>
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What an argument may rest on. The text after it says why it holds there. */
static const char *const kinds[] = {
    "speed",      /* another number of threads, blocks or steps does the same work */
    "redundant",  /* what is left out orders or computes nothing that another part does not */
    "unread",     /* the value, or the memory, is not looked at */
    "same value", /* both forms are equal for every value that can occur */
    "tolerance",  /* differs by less than the operation's roundoff allows */
    "promise",    /* the shape or value that would show it is outside what the spec promises */
    "warned",     /* right as long as a warp's lanes run in step, which the verdict warns of */
    "open",       /* none: the mutant does something else, and the verifier does not see it */
    NULL};

typedef struct reader {
    ledger *l;
    const char *path;
    int line;
    ledger_entry now;
} reader;

static ws_status bad(const reader *r, ws_err *err, const char *what)
{
    return ws_fail(err, WS_EINPUT, "%s:%d: %s", r->path, r->line, what);
}

static char *word(char **at)
{
    char *w = strsep(at, " ");
    return w && *w ? w : NULL;
}

static ws_status start(reader *r, char *text, ws_err *err)
{
    char *at = text;
    const char *what = word(&at), *kernel = word(&at), *third = word(&at);
    if (r->now.kernel)
        return bad(r, err, "the entry before has no line '= kind: argument'");
    r->now = (ledger_entry){.line = r->line, .rule = strcmp(what, "rule") == 0, .occurrence = 1};
    if (!kernel || (r->now.rule && (!third || !at)))
        return bad(r, err,
                   "expected 'mutant KERNEL [OCCURRENCE]' or 'rule KERNELS FAMILIES EXPRESSION'");
    r->now.kernel = ws_arena_strdup(&r->l->arena, kernel);
    if (!r->now.rule) {
        r->now.occurrence = third ? atoi(third) : 1;
        return WS_OK;
    }
    int code;
    size_t where;
    r->now.family = ws_arena_strdup(&r->l->arena, third);
    r->now.change = pcre2_compile((PCRE2_SPTR)at, PCRE2_ZERO_TERMINATED, 0, &code, &where, NULL);
    return r->now.change ? WS_OK : bad(r, err, "no regular expression");
}

static ws_status finish(reader *r, char *text, ws_err *err)
{
    char *colon = strstr(text, ": ");
    if (!r->now.kernel || (!r->now.rule && (!r->now.was || !r->now.now)))
        return bad(r, err, "an argument without the mutant that it is about");
    if (!colon || strlen(colon) < 12)
        return bad(r, err, "expected '= kind: argument'");
    *colon = 0;
    for (int k = 0; kinds[k]; k++)
        if (strcmp(kinds[k], text) == 0)
            r->now.kind = kinds[k];
    if (!r->now.kind)
        return bad(r, err, "unknown kind of argument");
    r->now.why = ws_arena_strdup(&r->l->arena, colon + 2);
    WS_GROW(r->l->entry, r->l->n, r->l->cap);
    r->l->entry[r->l->n++] = r->now;
    r->now = (ledger_entry){0};
    return WS_OK;
}

static ws_status read_line(reader *r, char *text, ws_err *err)
{
    if (!*text || *text == '#')
        return WS_OK;
    if (strncmp(text, "mutant ", 7) == 0 || strncmp(text, "rule ", 5) == 0)
        return start(r, text, err);
    if (strncmp(text, "= ", 2) == 0)
        return finish(r, text + 2, err);
    if (r->now.kernel && !r->now.rule && (*text == '-' || *text == '+')) {
        const char **to = *text == '-' ? &r->now.was : &r->now.now;
        *to = ws_arena_strdup(&r->l->arena, text[1] ? text + 2 : "");
        return WS_OK;
    }
    return bad(r, err, "not a line of an entry");
}

ws_status ledger_load(const char *path, ledger *out, ws_err *err)
{
    ws_buf text = {0};
    *out = (ledger){0};
    reader r = {.l = out, .path = path};
    if (ws_read_file(path, 16 << 20, &text, err))
        return err->status;
    ws_buf_z(&text);
    char *at = text.p, *line;
    ws_status st = WS_OK;
    while (!st && at && (line = strsep(&at, "\n"))) {
        r.line++;
        st = read_line(&r, line, err);
    }
    if (!st && r.now.kernel)
        st = bad(&r, err, "the last entry has no line '= kind: argument'");
    ws_buf_release(&text);
    return st;
}

void ledger_release(ledger *l)
{
    for (int i = 0; i < l->n; i++)
        pcre2_code_free(l->entry[i].change);
    free(l->entry);
    ws_arena_release(&l->arena);
    *l = (ledger){0};
}

static bool matches(const ledger_entry *e, const char *kernel, const mutant *m)
{
    ws_buf t = {0};
    ws_buf_printf(&t, "%s: %s => %s", kernel, m->was, m->now);
    pcre2_match_data *d = pcre2_match_data_create_from_pattern(e->change, NULL);
    bool is = pcre2_match(e->change, (PCRE2_SPTR)ws_buf_z(&t), t.n, 0, 0, d, NULL) >= 0;
    pcre2_match_data_free(d);
    ws_buf_release(&t);
    return is;
}

static bool fits(const ledger_entry *e, const char *kernel, const mutant *m)
{
    if (e->rule)
        return fnmatch(e->kernel, kernel, 0) == 0 && fnmatch(e->family, m->family, 0) == 0 &&
               matches(e, kernel, m);
    return strcmp(e->kernel, kernel) == 0 && e->occurrence == m->occurrence &&
           strcmp(e->was, m->was) == 0 && strcmp(e->now, m->now) == 0;
}

ledger_entry *ledger_find(const ledger *l, const char *kernel, const mutant *m)
{
    for (int i = 0; i < l->n; i++)
        if (fits(&l->entry[i], kernel, m))
            return &l->entry[i];
    return NULL;
}

void ledger_count(ledger *l, const char *kernel, const mutant *m, int fate)
{
    for (int i = 0; i < l->n; i++)
        if (fits(&l->entry[i], kernel, m)) {
            l->entry[i].fits++;
            l->entry[i].survived += fate == MUT_SURVIVED;
            l->entry[i].killed += fate == MUT_KILLED;
        }
}
