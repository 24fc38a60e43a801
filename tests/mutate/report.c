#include "tests/mutate/report.h"

#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Lines of one table, by name. */
typedef struct row {
    const char *name;
    int fate[MUT_FATES], argued, all;
} row;
typedef struct table {
    row *r;
    int n, cap;
} table;

static row *row_of(table *t, const char *name)
{
    for (int i = 0; i < t->n; i++)
        if (strcmp(t->r[i].name, name) == 0)
            return &t->r[i];
    WS_GROW(t->r, t->n, t->cap);
    t->r[t->n] = (row){.name = name};
    return &t->r[t->n++];
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const row *)a)->name, ((const row *)b)->name);
}

static int by_count(const void *a, const void *b)
{
    const int x = ((const row *)a)->all, y = ((const row *)b)->all;
    return x != y ? (x < y) - (x > y) : by_name(a, b);
}

static void note(table *t, const char *name, mut_fate fate, bool argued)
{
    row *r = row_of(t, name);
    r->all++;
    r->fate[fate]++;
    r->argued += argued;
}

static void print_fates(table *t, const char *title)
{
    qsort(t->r, (size_t)t->n, sizeof *t->r, by_name);
    printf("\n%-34s %8s %8s %10s %10s %9s %8s\n", title, "mutants", "killed", "stillborn",
           "identical", "survived", "argued");
    for (int i = 0; i < t->n; i++) {
        const row *r = &t->r[i];
        printf("%-34s %8d %8d %10d %10d %9d %8d\n", r->name, r->all, r->fate[MUT_KILLED],
               r->fate[MUT_STILLBORN], r->fate[MUT_IDENTICAL], r->fate[MUT_SURVIVED], r->argued);
    }
    free(t->r);
}

static void print_counts(table *t, const char *title)
{
    qsort(t->r, (size_t)t->n, sizeof *t->r, by_count);
    printf("\n%-34s %8s\n", title, "mutants");
    for (int i = 0; i < t->n; i++)
        printf("%-34s %8d\n", t->r[i].name, t->r[i].all);
    free(t->r);
}

static void print_survivor(const subject *s, const mutant *m, ws_buf *file)
{
    printf("survivor without an argument: %s:%d:%d %s\n    - %s\n    + %s\n", s->name, m->line,
           m->column, m->family, m->was, m->now);
    ws_buf_printf(file, "# %s, line %d\nmutant %s", m->family, m->line, s->name);
    if (m->occurrence > 1)
        ws_buf_printf(file, " %d", m->occurrence);
    ws_buf_printf(file, "\n- %s\n+ %s\n= \n\n", m->was, m->now);
}

/* What is said to be warned of has a warning in its verdict. */
static bool lacks_warning(const ledger_entry *e, const mut_outcome *o)
{
    if (!e || strcmp(e->kind, MUT_WARNED) != 0 || strcmp(o->reason, MUT_WARNED) == 0)
        return false;
    printf("line %d of the list of survivors: its mutant is accepted without a warning\n", e->line);
    return true;
}

/* An argument says that a mutant is accepted; one that no mutant fits, or whose mutants are killed,
 * is wrong. A kernel that was not looked at says nothing. */
static int print_stale(const ledger *l, const subject *s, int n)
{
    int stale = 0;
    for (int i = 0; i < l->n; i++) {
        const ledger_entry *e = &l->entry[i];
        bool looked_at = e->rule && e->fits;
        for (int k = 0; k < n && !e->rule; k++)
            looked_at |= strcmp(s[k].name, e->kernel) == 0;
        if (!looked_at || (e->fits && !e->killed))
            continue;
        printf("line %d of the list of survivors: %s\n", e->line,
               e->killed ? "its mutant is killed" : "no mutant of the kernel is this one");
        stale++;
    }
    return stale;
}

ws_status report_make(const subject *s, int n, const results *r, ledger *l, const char *survivors,
                      report *out, ws_err *err)
{
    table families = {0}, kernels = {0}, reasons = {0}, arguments = {0};
    ws_buf file = {0};
    *out = (report){0};
    for (int k = 0; k < n; k++) {
        char original[WS_SHA256_HEX];
        ws_sha256_of(s[k].text.p, s[k].text.n, original);
        const result *of = results_find(r, original);
        if (of && of->outcome.fate != MUT_SURVIVED) {
            printf("%s itself is rejected: %s\n", s[k].name, of->outcome.text);
            out->rejected_originals++;
        }
        for (int i = 0; i < s[k].list.n_mutants; i++)
            ledger_count(l, s[k].name, &s[k].list.m[i], -1);
        for (int i = 0; i < s[k].n_chosen; i++) {
            const mutant *m = &s[k].list.m[s[k].chosen[i]];
            const result *o = results_find(r, m->hash);
            if (!o) {
                out->unjudged++;
                continue;
            }
            const mut_fate fate = o->outcome.fate;
            const ledger_entry *e = fate == MUT_SURVIVED ? ledger_find(l, s[k].name, m) : NULL;
            ledger_count(l, s[k].name, m, (int)fate);
            note(&families, m->family, fate, e);
            note(&kernels, s[k].name, fate, e);
            if (fate == MUT_KILLED)
                note(&reasons, o->outcome.reason, fate, false);
            if (e)
                note(&arguments, e->kind, fate, false);
            if (fate == MUT_IDENTICAL)
                note(&arguments, o->outcome.reason, fate, false);
            out->mutants++;
            out->fate[fate]++;
            out->argued += e != NULL;
            out->stale += lacks_warning(e, &o->outcome);
            if (fate == MUT_SURVIVED && !e)
                print_survivor(&s[k], m, &file);
        }
    }
    out->missing = out->fate[MUT_SURVIVED] - out->argued;
    out->stale += print_stale(l, s, n);
    print_fates(&kernels, "kernel");
    print_fates(&families, "what was changed");
    print_counts(&reasons, "killed as");
    print_counts(&arguments, "equivalent by");
    ws_status st = ws_write_file(survivors, ws_buf_z(&file), file.n, err);
    ws_buf_release(&file);
    return st;
}
