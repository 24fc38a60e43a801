#include "tests/mutate/mutant.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void mut_text(const mut_list *l, const mutant *m, ws_buf *out)
{
    ws_buf_add(out, l->text, m->from);
    ws_buf_adds(out, m->with);
    ws_buf_add(out, l->text + m->to, l->n - m->to);
}

/* Runs of white space become one blank, at the ends none. */
static const char *squeeze(ws_arena *a, const char *p, size_t n)
{
    char *out = ws_arena_alloc(a, n + 1);
    size_t k = 0;
    for (size_t i = 0; i < n; i++)
        if (!isspace((unsigned char)p[i]))
            out[k++] = p[i];
        else if (k && out[k - 1] != ' ')
            out[k++] = ' ';
    out[k - (k && out[k - 1] == ' ')] = 0;
    return out;
}

/* The source's whole lines around [from, to), with `with` in their midst. */
static const char *lines_around(mut_list *l, size_t from, size_t to, const char *with,
                                size_t n_with)
{
    size_t a = from, b = to;
    ws_buf t = {0};
    while (a > 0 && l->text[a - 1] != '\n')
        a--;
    while (b < l->n && l->text[b] != '\n')
        b++;
    ws_buf_add(&t, l->text + a, from - a);
    ws_buf_add(&t, with, n_with);
    ws_buf_add(&t, l->text + to, b - to);
    const char *out = squeeze(&l->arena, ws_buf_z(&t), t.n);
    ws_buf_release(&t);
    return out;
}

void mut_emit(mut_list *l, const char *family, size_t from, size_t to, const char *fmt, ...)
{
    ws_buf with = {0}, whole = {0};
    va_list ap;
    va_start(ap, fmt);
    ws_buf_vprintf(&with, fmt, ap);
    va_end(ap);
    mutant m = {
        .family = family, .from = from, .to = to, .line = mut_line_of(l->text, from), .column = 1};
    m.with = ws_arena_strdup(&l->arena, ws_buf_z(&with));
    for (size_t i = from; i > 0 && l->text[i - 1] != '\n'; i--)
        m.column++;
    mut_text(l, &m, &whole);
    ws_sha256_of(whole.p, whole.n, m.hash);
    bool known = whole.n == l->n && memcmp(whole.p, l->text, l->n) == 0;
    for (int i = 0; i < l->n_mutants && !known; i++)
        known = strcmp(l->m[i].hash, m.hash) == 0;
    if (!known) {
        m.was = lines_around(l, from, to, l->text + from, to - from);
        m.now = lines_around(l, from, to, m.with, strlen(m.with));
        WS_GROW(l->m, l->n_mutants, l->cap);
        l->m[l->n_mutants++] = m;
    }
    ws_buf_release(&with);
    ws_buf_release(&whole);
}

static int by_place(const void *a, const void *b)
{
    const mutant *x = a, *y = b;
    if (x->from != y->from)
        return x->from < y->from ? -1 : 1;
    int c = strcmp(x->family, y->family);
    return c ? c : strcmp(x->hash, y->hash);
}

void mut_list_make(const char *kernel, const char *text, size_t n, mut_list *out)
{
    mut_source s;
    *out = (mut_list){.kernel = kernel, .text = text, .n = n};
    mut_lex(text, n, &s);
    mut_of_loops(&s, out);
    mut_of_statements(&s, out);
    mut_of_code(&s, out);
    mut_of_plan(&s, out);
    mut_source_release(&s);
    qsort(out->m, (size_t)out->n_mutants, sizeof *out->m, by_place);
    for (int i = 0; i < out->n_mutants; i++) {
        out->m[i].occurrence = 1;
        for (int k = 0; k < i; k++)
            out->m[i].occurrence += strcmp(out->m[i].was, out->m[k].was) == 0 &&
                                    strcmp(out->m[i].now, out->m[k].now) == 0;
    }
}

void mut_list_release(mut_list *l)
{
    free(l->m);
    ws_arena_release(&l->arena);
    *l = (mut_list){0};
}

/* ---- samples ---- */

typedef struct draw {
    int index, turn;
    const char *family;
    char lot[WS_SHA256_HEX];
} draw;

static int by_lot(const void *a, const void *b)
{
    return strcmp(((const draw *)a)->lot, ((const draw *)b)->lot);
}

static int by_turn(const void *a, const void *b)
{
    const draw *x = a, *y = b;
    return x->turn != y->turn ? (x->turn < y->turn ? -1 : 1) : by_lot(a, b);
}

static int by_index(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

/* The lot is of what identifies the mutant, not of its place: other lines may come and go. */
static void draw_lot(const mut_list *l, const mutant *m, unsigned seed, char out[WS_SHA256_HEX])
{
    char key[4096];
    int n = snprintf(key, sizeof key, "%u %s %d %.1800s => %.1800s", seed, l->kernel, m->occurrence,
                     m->was, m->now);
    ws_sha256_of(key, (size_t)n < sizeof key ? (size_t)n : sizeof key - 1, out);
}

int *mut_list_sample(const mut_list *l, int count, unsigned seed, int *n_chosen)
{
    const int n = l->n_mutants;
    draw *d = ws_calloc((size_t)n + 1, sizeof *d);
    int *chosen = ws_calloc((size_t)n + 1, sizeof *chosen);
    for (int i = 0; i < n; i++) {
        d[i] = (draw){.index = i, .family = l->m[i].family};
        draw_lot(l, &l->m[i], seed, d[i].lot);
    }
    qsort(d, (size_t)n, sizeof *d, by_lot);
    for (int i = 0; i < n; i++)
        for (int k = 0; k < i; k++)
            d[i].turn += d[i].family == d[k].family;
    qsort(d, (size_t)n, sizeof *d, by_turn);
    *n_chosen = count > 0 && count < n ? count : n;
    for (int i = 0; i < *n_chosen; i++)
        chosen[i] = d[i].index;
    qsort(chosen, (size_t)*n_chosen, sizeof *chosen, by_index);
    free(d);
    return chosen;
}
