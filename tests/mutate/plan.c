/* Mutants of the launch plan: sizes, counts, what is passed, what is required. */
#include "tests/mutate/mutant.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* Keys whose values are sizes, and what becomes of an expression E, one at a time. */
static const struct {
    const char *key, *family, *with[3];
} sizes[] = {
    {"grid", "plan-grid", {"(%.*s) + 1", "(%.*s) - 1"}},
    {"block", "plan-block", {"(%.*s) / 2", "(%.*s) - 1", "(%.*s) * 2"}},
    {"shared", "plan-shared", {"(%.*s) - 4", "(%.*s) / 2"}},
    {"max_dynamic_shared", "plan-shared", {"(%.*s) / 2"}},
    {"cluster", "plan-cluster", {"(%.*s) / 2", "(%.*s) * 2"}},
    {"count", "plan-scratch", {"(%.*s) - 1", "(%.*s) / 2"}},
    {"require", "plan-require", {"(%.*s) || 1 == 1"}},
    {"args", "plan-argument", {"(%.*s) + 1", "(%.*s) - 1"}},
    {"dims", "plan-map", {"(%.*s) - 1", "(%.*s) + 1"}},
    {"strides", "plan-map", {"(%.*s) + 8", "(%.*s) - 8"}},
    {"offset", "plan-map", {"(%.*s) + 8"}},
    {"box", "plan-map", {"(%.*s) / 2", "(%.*s) * 2"}},
    {"swizzle", "plan-map", {"(%.*s) / 2"}},
    {"lower", "plan-map", {"(%.*s) + 1", "(%.*s) - 1"}},
    {"upper", "plan-map", {"(%.*s) + 1", "(%.*s) - 1"}},
    {"channels", "plan-map", {"(%.*s) / 2"}},
    {"pixels", "plan-map", {"(%.*s) / 2"}},
};

typedef struct reader {
    const mut_source *s;
    mut_list *out;
    char key[32];
} reader;

/* Operators and numbers inside an expression. */
static void inside(const reader *r, size_t from, size_t to)
{
    static const struct {
        char sign;
        const char *with;
    } swaps[] = {{'+', "-"}, {'-', "+"}, {'*', "/"}, {'/', "*"}, {'%', "/"}};
    const char *t = r->s->text;
    for (size_t i = from; i < to; i++) {
        for (size_t k = 0; k < WS_COUNT(swaps); k++)
            if (t[i] == swaps[k].sign && t[i + 1] == ' ')
                mut_emit(r->out, "plan-arithmetic", i, i + 1, "%s", swaps[k].with);
        if (!isdigit((unsigned char)t[i]) || isalnum((unsigned char)t[i - 1]) || t[i - 1] == '_')
            continue;
        size_t end = i;
        while (isdigit((unsigned char)t[end]))
            end++;
        const long v = strtol(t + i, NULL, 10);
        mut_emit(r->out, "plan-integer", i, end, "%ld", v + 1);
        mut_emit(r->out, "plan-integer", i, end, "%ld", v - 1);
        i = end;
    }
}

static bool is_name(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)p[i]) && p[i] != '_')
            return false;
    return true;
}

/* A tensor or dim that is passed stays: +1 of a pointer is no plan. */
static bool is_changed(const reader *r, size_t from, size_t to)
{
    return strcmp(r->key, "args") != 0 || !is_name(r->s->text + from, to - from) ||
           isupper((unsigned char)r->s->text[from]);
}

static void value(const reader *r, size_t from, size_t to, bool quoted)
{
    const char *e = r->s->text + from;
    const size_t a = from - quoted, b = to + quoted;
    for (size_t k = 0; k < WS_COUNT(sizes); k++) {
        if (strcmp(r->key, sizes[k].key) != 0 || !is_changed(r, from, to))
            continue;
        const bool number =
            strspn(e, "0123456789") >= to - from; /* its neighbours are among the integers */
        inside(r, from, to);
        for (int w = 0; w < 3 && sizes[k].with[w]; w++) {
            if (number && strchr("+-", sizes[k].with[w][strlen("(%.*s) ")]) &&
                strcmp(r->key, "shared") != 0)
                continue;
            ws_buf x = {0};
            ws_buf_printf(&x, sizes[k].with[w], (int)(to - from), e);
            mut_emit(r->out, sizes[k].family, a, b, "\"%s\"", ws_buf_z(&x));
            ws_buf_release(&x);
        }
    }
}

/* The launch of the plan that begins at `open`, with the comma after it or before it. */
static void without_launch(const reader *r, size_t open)
{
    const char *t = r->s->text;
    size_t i = open, from = open;
    for (int depth = 0; i < r->s->plan_to; i++) {
        depth += t[i] == '{';
        depth -= t[i] == '}';
        if (!depth)
            break;
    }
    size_t to = i + 1, k = to;
    while (k < r->s->plan_to && isspace((unsigned char)t[k]))
        k++;
    if (t[k] == ',') {
        to = k + 1;
    } else {
        for (k = open - 1; isspace((unsigned char)t[k]); k--)
            ;
        if (t[k] != ',')
            return;
        from = k;
    }
    mut_emit(r->out, "plan-launch", from, to, " ");
}

void mut_of_plan(const mut_source *s, mut_list *out)
{
    reader r = {.s = s, .out = out};
    const char *t = s->text;
    size_t open = s->plan_from;
    for (size_t i = s->plan_from; i < s->plan_to; i++) {
        if (t[i] == '{')
            open = i;
        if (t[i] == '"') {
            size_t end = i + 1, after;
            while (end < s->plan_to && t[end] != '"')
                end++;
            for (after = end + 1; isspace((unsigned char)t[after]); after++)
                ;
            if (t[after] != ':') {
                value(&r, i + 1, end, true);
            } else {
                size_t n = end - i - 1 < sizeof r.key - 1 ? end - i - 1 : sizeof r.key - 1;
                memcpy(r.key, t + i + 1, n);
                r.key[n] = 0;
                if (strcmp(r.key, "kernel") == 0)
                    without_launch(&r, open);
            }
            i = end;
        } else if (isdigit((unsigned char)t[i])) {
            size_t end = i;
            while (isdigit((unsigned char)t[end]))
                end++;
            value(&r, i, end, false);
            i = end - 1;
        } else if (strncmp(t + i, "true", 4) == 0 && strcmp(r.key, "cooperative") == 0) {
            mut_emit(out, "plan-cooperative", i, i + 4, "false");
        }
    }
}
