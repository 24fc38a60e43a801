#include "base/diff.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_CHANGES = 2000 };

typedef struct side {
    ws_str *line; /* each with its newline, which the last may lack */
    int n;
} side;

typedef struct diff {
    side a, b;
    int *match; /* of each line of a: its line of b, -1: removed */
} diff;

static side split(const char *z)
{
    side s = {0};
    int cap = 0;
    while (*z) {
        const char *end = strchr(z, '\n');
        const size_t n = end ? (size_t)(end - z) + 1 : strlen(z);
        WS_GROW(s.line, s.n, cap);
        s.line[s.n++] = (ws_str){z, n};
        z += n;
    }
    return s;
}

/* Lines a[a0, a0 + n) against b[b0, b0 + m). Row e of the trace has, for each of the diagonals
 * x - y = -e ... e, the furthest x that e changes lead to, -1: they lead nowhere on it. */
typedef struct part {
    int a0, n, b0, m;
    int **trace;
} part;

static int furthest(const part *p, int e, int k)
{
    return k < -e || k > e ? -1 : p->trace[e][k + e];
}

/* Where change number e can lead on diagonal k, and from which diagonal: that above (a line is
 * added) or that below (one is removed). -1: nowhere. */
static int change(const part *p, int e, int k, int *from)
{
    const int added = furthest(p, e - 1, k + 1), before = furthest(p, e - 1, k - 1);
    const int removed = before >= 0 && before < p->n ? before + 1 : -1;
    const bool adds = added > removed && added - k <= p->m;
    *from = adds ? k + 1 : k - 1;
    return adds ? added : removed;
}

static void match(diff *d, const part *p, int changes)
{
    int x = p->n, y = p->m, from;
    for (int e = changes; e >= 0; e--) {
        const int start = e ? change(p, e, x - y, &from) : 0;
        while (x > start && y > 0) {
            x--, y--;
            d->match[p->a0 + x] = p->b0 + y;
        }
        if (e) {
            const int removes = from < x - y;
            x -= removes, y -= !removes;
        }
    }
}

/* Whether e changes lead to the end; fills row e. */
static bool advance(const diff *d, part *p, int e)
{
    int from, *row = p->trace[e] = ws_malloc((size_t)(2 * e + 1) * sizeof *row);
    for (int k = -e; k <= e; k++) {
        int x = (k + e) % 2 ? -1 : e ? change(p, e, k, &from) : 0;
        while (x >= 0 && x < p->n && x - k < p->m &&
               ws_str_eq(d->a.line[p->a0 + x], d->b.line[p->b0 + x - k]))
            x++;
        row[k + e] = x;
        if (x == p->n && x - k == p->m)
            return true;
    }
    return false;
}

static void compare(diff *d, part *p)
{
    const int most = p->n + p->m < MOST_CHANGES ? p->n + p->m : MOST_CHANGES;
    if (p->n == 0 || p->m == 0) /* nothing matches */
        return;
    p->trace = ws_calloc((size_t)most + 1, sizeof *p->trace);
    for (int e = 0; e <= most; e++)
        if (advance(d, p, e)) {
            match(d, p, e);
            break;
        }
    for (int e = 0; e <= most; e++)
        free(p->trace[e]);
    free(p->trace);
}

static void put_line(ws_buf *out, char mark, ws_str line)
{
    ws_buf_addc(out, mark);
    ws_buf_add(out, line.p, line.n);
    if (line.n == 0 || line.p[line.n - 1] != '\n')
        ws_buf_adds(out, "\n\\ No newline at end of file\n");
}

/* "12,3"; an empty range names the line before it. */
static void put_range(ws_buf *out, char mark, int first, int n)
{
    ws_buf_printf(out, "%c%d", mark, n ? first + 1 : first);
    if (n != 1)
        ws_buf_printf(out, ",%d", n);
}

/* Lines a[i, a_end) and b[j, b_end) of one hunk. */
static void put_hunk(const diff *d, int i, int a_end, int j, int b_end, ws_buf *out)
{
    ws_buf_adds(out, "@@ ");
    put_range(out, '-', i, a_end - i);
    ws_buf_addc(out, ' ');
    put_range(out, '+', j, b_end - j);
    ws_buf_adds(out, " @@\n");
    while (i < a_end || j < b_end) {
        if (i < a_end && d->match[i] < 0) {
            put_line(out, '-', d->a.line[i++]);
        } else if (j < b_end && (i >= a_end || d->match[i] != j)) {
            put_line(out, '+', d->b.line[j++]);
        } else {
            put_line(out, ' ', d->a.line[i++]);
            j++;
        }
    }
}

/* One hunk for the changes that stand less than twice the context apart. */
static void put_hunks(const diff *d, int context, ws_buf *out)
{
    int i = 0, j = 0; /* behind what was looked at */
    while (i < d->a.n || j < d->b.n) {
        if (i < d->a.n && d->match[i] == j) {
            i++, j++;
            continue;
        }
        const int before = i < context ? i : context;
        const int from_a = i - before, from_b = j - before;
        int equal = 0;
        while ((i < d->a.n || j < d->b.n) && equal <= 2 * context) {
            if (i < d->a.n && d->match[i] == j)
                i++, j++, equal++;
            else if (i < d->a.n && d->match[i] < 0)
                i++, equal = 0;
            else
                j++, equal = 0;
        }
        const int surplus = equal > context ? equal - context : 0;
        put_hunk(d, from_a, i - surplus, from_b, j - surplus, out);
    }
}

bool ws_diff_unified(const char *a, const char *b, const char *name_a, const char *name_b,
                     int context, ws_buf *out)
{
    if (strcmp(a, b) == 0)
        return false;
    diff d = {split(a), split(b), NULL};
    int first = 0, a1 = d.a.n, b1 = d.b.n;
    d.match = ws_malloc((size_t)(d.a.n + 1) * sizeof *d.match);
    for (int i = 0; i < d.a.n; i++)
        d.match[i] = -1;
    for (; first < a1 && first < b1 && ws_str_eq(d.a.line[first], d.b.line[first]); first++)
        d.match[first] = first;
    while (a1 > first && b1 > first && ws_str_eq(d.a.line[a1 - 1], d.b.line[b1 - 1]))
        d.match[--a1] = --b1;
    compare(&d, &(part){first, a1 - first, first, b1 - first, NULL});
    ws_buf_printf(out, "--- %s\n+++ %s\n", name_a, name_b);
    put_hunks(&d, context, out);
    free(d.a.line);
    free(d.b.line);
    free(d.match);
    return true;
}
