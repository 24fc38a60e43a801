#include "agent/money/price_table.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FILE_BYTES = 64 << 20 };

ws_status price_table_open(const char *file, price_table **out, ws_err *err)
{
    ws_buf path = {0}, text = {0};
    price_table *t = ws_calloc(1, sizeof *t);
    t->bundled = !file;
    if (file)
        ws_buf_adds(&path, file);
    else
        ws_home_path(&path, "agent/money/prices.json");
    ws_status st = ws_read_file(ws_buf_z(&path), MAX_FILE_BYTES, &text, err);
    if (!st && (st = price_table_load(t, ws_buf_z(&text), text.n, ws_buf_z(&path), err)))
        ws_wrap(err, "prices '%s'", ws_buf_z(&path));
    ws_buf_release(&path);
    ws_buf_release(&text);
    if (st)
        price_table_close(t);
    else
        *out = t;
    return st;
}

void price_table_close(price_table *t)
{
    if (!t)
        return;
    free(t->row);
    ws_arena_release(&t->arena);
    free(t);
}

/* ---- names ---- */

/* Providers that have more than one name. */
static const char *provider_name(const char *z)
{
    static const char *const other[][2] = {
        {"google", "gemini"},         {"x-ai", "xai"}, {"x.ai", "xai"},
        {"moonshotai", "moonshot"},   {"z-ai", "zai"}, {"together", "together_ai"},
        {"fireworks", "fireworks_ai"}};
    for (size_t i = 0; i < WS_COUNT(other); i++)
        if (strcmp(z, other[i][0]) == 0)
            return other[i][1];
    return z;
}

/* Digits, and a dash wherever `shape` has one. */
static bool is_date(const char *z, const char *shape)
{
    for (; *shape; shape++, z++)
        if (*shape == '-' ? *z != '-' : !isdigit((unsigned char)*z))
            return false;
    return !*z;
}

/* Length of the name without "-2026-03-05", "-20260305" or "@version". 0: it has none. */
static size_t undated_length(const char *name)
{
    size_t n = strlen(name);
    const char *at = strchr(name, '@');
    if (at && at > name)
        return (size_t)(at - name);
    if (n > 11 && is_date(name + n - 11, "-dddd-dd-dd"))
        return n - 11;
    if (n > 9 && is_date(name + n - 9, "-dddddddd") && name[n - 8] == '2')
        return n - 9;
    return 0;
}

typedef struct query {
    const char *provider; /* "": not known */
    const char *name;
    size_t n;
    bool any_provider; /* a bare name is enough, whoever serves it */
} query;

/* What follows "provider/" in a name, by any name of the provider; NULL: the name has it not. */
static const char *after_provider(const char *provider, const char *name, const char *end)
{
    char head[64];
    const char *slash = memchr(name, '/', (size_t)(end - name));
    if (!slash || !*provider || (size_t)(slash - name) >= sizeof head)
        return NULL;
    memcpy(head, name, (size_t)(slash - name));
    head[slash - name] = '\0';
    return strcmp(provider_name(head), provider_name(provider)) == 0 ? slash + 1 : NULL;
}

/* The row's name, without its provider when `bare`, is name[0..end). */
static bool row_is(const price_row *r, bool bare, const char *name, const char *end)
{
    const char *own = r->p.model, *after = NULL;
    size_t n = (size_t)(end - name);
    if (bare && (after = after_provider(r->p.provider, own, own + strlen(own))))
        own = after;
    if (r->prefix)
        return n > strlen(own) && strncmp(name, own, strlen(own)) == 0;
    return strlen(own) == n && strncmp(name, own, n) == 0;
}

/* How well a row fits: 3 a name of the asked provider, 2 a name with the provider in front, 1 the
 * bare name, whoever serves it, 0 not at all. */
static int fit(const price_row *r, const query *q)
{
    const char *end = q->name + q->n;
    const char *after = after_provider(r->p.provider, q->name, end);
    bool same = *q->provider && strcmp(provider_name(r->p.provider), q->provider) == 0;
    bool open = !*q->provider || q->any_provider;
    if (same && (row_is(r, true, q->name, end) || (after && row_is(r, true, after, end))))
        return 3;
    if (open && after && row_is(r, true, after, end))
        return 2;
    if (!row_is(r, false, q->name, end))
        return 0;
    /* "openai/gpt-oss-120b" is a model at many hosts: without a host it has no price. */
    return q->any_provider || !*r->p.provider || (!*q->provider && !memchr(q->name, '/', q->n));
}

static const price_row *best_row(const price_table *t, const query *q, const char *day)
{
    const price_row *best = NULL;
    int best_fit = 0;
    for (int i = 0; i < t->n; i++) {
        const price_row *r = &t->row[i];
        int f = strcmp(r->from, day) <= 0 && (!*r->to || strcmp(day, r->to) < 0) ? fit(r, q) : 0;
        /* Of equal fit the later price; the later entry where a file has a name twice. */
        if (f > best_fit || (f && f == best_fit && strcmp(r->from, best->from) >= 0)) {
            best = r;
            best_fit = f;
        }
    }
    return best;
}

static const price_row *find_row(const price_table *t, const char *provider, const char *model,
                                 const char *day)
{
    char today[WS_UTC_SIZE];
    ws_utc_now(today);
    today[10] = '\0';
    query q = {provider ? provider_name(provider) : "", model, strlen(model), !t->bundled};
    const price_row *r = best_row(t, &q, day ? day : today);
    if (!r && (q.n = undated_length(model)) > 0)
        r = best_row(t, &q, day ? day : today);
    return r;
}

bool price_find(const price_table *t, const char *provider, const char *model, const char *day,
                price *out)
{
    const price_row *r = find_row(t, provider, model, day);
    if (!r || r->unusable)
        return false;
    *out = r->p;
    return true;
}

const char *price_why_unknown(const price_table *t, const char *provider, const char *model)
{
    const price_row *r = find_row(t, provider, model, NULL);
    if (r)
        return r->unusable ? r->unusable : "has a price";
    return t->bundled ? "is not in the bundled table" : "is not in the price file";
}

bool price_at(const price_table *t, int i, price *out, const char **from)
{
    if (i < 0 || i >= t->n)
        return false;
    *out = t->row[i].p;
    *from = t->row[i].from;
    if (t->row[i].unusable)
        out->note = t->row[i].unusable;
    return true;
}

/* ---- arithmetic ---- */

static double either(double a, double b)
{
    return isnan(a) ? b : a;
}

/* A price's numbers for a prompt of so many tokens, none of them NaN but `reasoning`: what has no
 * price of its own costs as other tokens do, and above the threshold what it costs below. */
static price at_length(const price *p, bool long_prompt)
{
    price r = *p;
    if (long_prompt) {
        r.cached = either(p->cached_above, p->cached);
        r.cache_write = either(p->cache_write_above, p->cache_write);
        r.in = either(p->in_above, p->in);
        r.out = either(p->out_above, p->out);
    }
    r.cached = either(r.cached, r.in);
    r.cache_write = either(r.cache_write, r.in);
    return r;
}

double price_cost(const price *p, const price_usage *u)
{
    bool apart = p->reasoning_outside || !isnan(p->reasoning);
    if (u->prompt < 0 || u->completion < 0 || (apart && u->reasoning < 0))
        return (double)NAN;
    price r = at_length(p, p->above_tokens > 0 && u->prompt > p->above_tokens);
    double cached = u->cached > 0 ? (double)u->cached : 0;
    double written = u->cache_write > 0 ? (double)u->cache_write : 0;
    double plain = fmax((double)u->prompt - cached - written, 0);
    double out = (double)u->completion, reasoning = 0;
    if (apart)
        reasoning = (double)u->reasoning;
    if (apart && !p->reasoning_outside)
        out = fmax(out - reasoning, 0);
    return (plain * r.in + cached * r.cached + written * r.cache_write + out * r.out +
            reasoning * either(r.reasoning, r.out)) *
           1e-6;
}

double price_most(const price *p, int64_t prompt_bytes, int64_t max_completion_tokens)
{
    if (isnan(p->in) || isnan(p->out))
        return (double)NAN;
    if (max_completion_tokens <= 0)
        return (double)INFINITY;
    price r = at_length(p, false);
    double in = fmax(fmax(r.in, r.cached), r.cache_write),
           out = fmax(r.out, either(r.reasoning, 0));
    if (p->above_tokens > 0 && prompt_bytes > p->above_tokens) {
        r = at_length(p, true);
        in = fmax(in, fmax(fmax(r.in, r.cached), r.cache_write));
        out = fmax(out, r.out);
    }
    return ((double)prompt_bytes * in + (double)max_completion_tokens * out) * 1e-6;
}
