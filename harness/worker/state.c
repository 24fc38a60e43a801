#include "harness/worker/state.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_VARIABLES = 256, WORD = 4, OCTAVES = 16 };

/* One variable, and its content before the first run and after the first and second. */
typedef struct variable {
    cu_variable at;
    unsigned char *v[3];
    unsigned char *count; /* a flag a word: it counts runs, or turns back and forth */
} variable;

typedef struct exam {
    const state_runner *r;
    variable *var;
    int n;
    char *text;
    size_t size;
} exam;

static void release(exam *e)
{
    for (int i = 0; i < e->n; i++) {
        for (int k = 0; k < 3; k++)
            free(e->var[i].v[k]);
        free(e->var[i].count);
    }
    free(e->var);
}

static ws_status find_variables(exam *e, ws_err *err)
{
    cu_variable at;
    e->var = ws_calloc(MAX_VARIABLES, sizeof *e->var);
    while (cu_engine_variable(e->r->d, e->r->m, e->n, &at)) {
        if (e->n == MAX_VARIABLES)
            return ws_fail(err, WS_ELIMIT, "the module has more than %d variables", MAX_VARIABLES);
        variable *v = &e->var[e->n++];
        v->at = at;
        for (int k = 0; k < 3; k++)
            if (!(v->v[k] = ws_alloc_tensor(at.bytes)))
                return ws_fail(err, WS_ELIMIT, "no memory for module variable '%s' of %zu bytes",
                               at.name, at.bytes);
        v->count = ws_calloc(at.bytes / WORD + 1, 1);
    }
    return WS_OK;
}

static ws_status look(exam *e, int k, ws_err *err)
{
    for (int i = 0; i < e->n; i++)
        if (cu_download(e->r->d, e->var[i].v[k], e->var[i].at.ptr, e->var[i].at.bytes, err))
            return err->status;
    return WS_OK;
}

static bool unchanged(const exam *e)
{
    for (int i = 0; i < e->n; i++)
        if (memcmp(e->var[i].v[0], e->var[i].v[1], e->var[i].at.bytes) != 0)
            return false;
    return true;
}

/* ---- counts ---- */

static uint32_t word(const unsigned char *v, size_t i)
{
    uint32_t w;
    memcpy(&w, v + i * WORD, WORD);
    return w;
}

/* Marks the words that count; says whether there are any. */
static bool find_counts(exam *e)
{
    bool any = false;
    for (int i = 0; i < e->n; i++) {
        variable *v = &e->var[i];
        for (size_t k = 0; k < v->at.bytes / WORD; k++) {
            const uint32_t a = word(v->v[0], k), b = word(v->v[1], k), c = word(v->v[2], k);
            v->count[k] = (a != b || b != c) && (c - b == b - a || c == a);
            any |= v->count[k];
        }
    }
    return any;
}

/* The words that count as `runs` runs leave them. */
static ws_status wind_on(exam *e, uint32_t runs, ws_err *err)
{
    for (int i = 0; i < e->n; i++) {
        variable *v = &e->var[i];
        for (size_t k = 0; k < v->at.bytes / WORD; k++) {
            const uint32_t a = word(v->v[0], k), b = word(v->v[1], k), c = word(v->v[2], k);
            const uint32_t now = c == a ? (runs & 1 ? b : a) : a + runs * (b - a);
            if (v->count[k] && cu_upload(e->r->d, v->at.ptr + k * WORD, &now, WORD, err))
                return err->status;
        }
    }
    return WS_OK;
}

/* Some number of runs of each order of magnitude: thresholds and windows are met. */
static uint32_t some_runs(uint64_t seed, int octave)
{
    uint64_t x = (seed ^ (uint64_t)octave * 0x9E3779B97F4A7C15u) * 0xD1B54A32D192ED03u;
    return (UINT32_C(1) << octave) + (uint32_t)((x >> 40) & ((UINT32_C(1) << octave) - 1));
}

/* ---- what is left ---- */

/* Everything that the runs changed, and that is no count, counts as never written. */
static bool forget(exam *e)
{
    bool any = false;
    for (int i = 0; i < e->n; i++) {
        variable *v = &e->var[i];
        const size_t n = v->at.bytes;
        for (size_t b = 0; b < n;) {
            size_t end = b;
            while (end < n && !(end / WORD < n / WORD && v->count[end / WORD]) &&
                   (v->v[0][end] != v->v[1][end] || v->v[1][end] != v->v[2][end]))
                end++;
            if (end > b) {
                cu_engine_mark_uninitialized(e->r->d, v->at.ptr + b, end - b);
                any = true;
            }
            b = end + 1;
        }
    }
    return any;
}

/* The first variable that changed; counting: that counts. */
static const char *name_one(const exam *e, bool counting)
{
    for (int i = 0; i < e->n; i++) {
        const variable *v = &e->var[i];
        if (counting ? memchr(v->count, 1, v->at.bytes / WORD + 1) != NULL
                     : memcmp(v->v[0], v->v[1], v->at.bytes) != 0)
            return v->at.name;
    }
    return "";
}

/* Once more: whether it ends well and with the same outputs. `runs`: how many went before, as far as
 * counts tell; 0: not told. */
static ws_status again(exam *e, uint32_t runs, bool *found, ws_err *err)
{
    bool good = false, same = false;
    if (e->r->run(e->r->ud, &good, err) || (good && e->r->same(e->r->ud, &same, err)))
        return err->status;
    *found = !good || !same;
    const char *outcome = good ? "gives another result" : "goes wrong";
    if (*found && runs)
        snprintf(e->text, e->size,
                 "module variable '%s' counts runs, and after %" PRIu32 " of them the plan %s",
                 name_one(e, true), runs, outcome);
    else if (*found && good)
        snprintf(e->text, e->size,
                 "module variable '%s' keeps something of an earlier run, which changes the result",
                 name_one(e, false));
    else if (*found)
        snprintf(e->text, e->size, "a run needs what an earlier one left in module variables");
    return WS_OK;
}

static ws_status examine(exam *e, bool *good, bool *found, ws_err *err)
{
    const state_runner *r = e->r;
    if (look(e, 0, err) || r->run(r->ud, good, err))
        return err->status;
    if (!*good || look(e, 1, err) || unchanged(e))
        return err->status;
    if (r->keep(r->ud, err) || again(e, 0, found, err) || *found ||
        look(e, 2, err))
        return err->status;
    const bool counts = find_counts(e);
    if (forget(e) && (again(e, 0, found, err) || *found))
        return err->status;
    for (int o = 1; counts && o <= OCTAVES && !*found; o++) {
        const uint32_t runs = some_runs(r->seed, o);
        if (wind_on(e, runs, err) || again(e, runs, found, err))
            return err->status;
    }
    return WS_OK;
}

ws_status state_examine(const state_runner *r, bool *good, bool *found, char *text, size_t size,
                        ws_err *err)
{
    exam e = {.r = r, .text = text, .size = size};
    *good = true;
    *found = false;
    ws_status st = find_variables(&e, err);
    if (!st && e.n)
        st = examine(&e, good, found, err);
    release(&e);
    return st;
}
