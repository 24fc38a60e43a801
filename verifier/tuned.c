/* The same source with other choices of its tunables. */
#include "verifier/verify.h"

#include "harness/plan/plan.h"
#include "verifier/record.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CHOICES = 4096 };

/* "BLOCK=256 VEC=4" */
static void describe(const plan *p, const int64_t *choice, char *out, size_t size)
{
    size_t at = 0;
    out[0] = 0;
    for (int t = 0; t < p->n_tune && at < size; t++)
        at += (size_t)snprintf(out + at, size - at, "%s%s=%" PRId64, t ? " " : "", p->tune[t].name,
                               choice[t]);
}

static bool is_default(const plan *p, const int64_t *choice)
{
    for (int t = 0; t < p->n_tune; t++)
        if (choice[t] != p->tune[t].value[0])
            return false;
    return true;
}

/* What makes a choice useless, not wrong: it does not fit on the machine. */
static bool is_unusable(hx_reason r)
{
    return r == HX_SHAPE_REFUSED || r == HX_INVALID_LAUNCH || r == HX_COMPILE_ERROR ||
           r == HX_PTXAS_ERROR || r == HX_COMPILE_LIMIT;
}

/* The wrong choice's verdict in the place of the default's. */
static void take_verdict(vfy_verdict *out, const vfy_verdict *v, const char *choice)
{
    *out = *v;
    snprintf(out->tune, sizeof out->tune, "%s", choice);
    snprintf(out->text, sizeof out->text, "with %s: %.*s", choice,
             (int)(sizeof out->text - sizeof out->tune - 16), v->text);
}

static ws_status try_choices(vfy_session *s, const char *source, size_t n, const vfy_options *o,
                             const plan *p, const int64_t *row, int n_rows, int max,
                             vfy_verdict *out, ws_err *err)
{
    vfy_verdict *v = ws_calloc(1, sizeof *v);
    int step = (n_rows + max) / (max + 1), held = 0, unusable = 0;
    ws_status st = WS_OK;
    for (int r = 0; !st && r < n_rows && out->reason == HX_PASS; r += step) {
        const int64_t *choice = row + (size_t)r * (size_t)p->n_tune;
        if (is_default(p, choice))
            continue;
        vfy_options with = *o;
        with.depth = VFY_QUICK;
        with.full_below = 0;
        with.max_level = VFY_EMULATED;
        char text[sizeof out->tune];
        with.tune = choice;
        describe(p, choice, text, sizeof text);
        vfy_record_choice(o->record, text);
        st = vfy_verify(s, source, n, &with, v, err);
        vfy_record_choice(o->record, "");
        if (st)
            continue;
        if (v->reason != HX_PASS && !is_unusable(v->reason)) {
            take_verdict(out, v, text);
            continue;
        }
        held += v->reason == HX_PASS;
        unusable += v->reason != HX_PASS;
        out->worst_ratio = fmax(out->worst_ratio, v->worst_ratio);
        out->total_seconds += v->total_seconds;
    }
    free(v);
    if (out->reason != HX_PASS || st)
        return st;
    out->choices_passed = held;
    out->choices_unusable = unusable;
    size_t at = strlen(out->text);
    if (held)
        at += (size_t)snprintf(out->text + at, sizeof out->text - at,
                               ", and with %d other choice%s of the tunables", held,
                               held > 1 ? "s" : "");
    if (unusable)
        snprintf(out->text + at, sizeof out->text - at, "; %d choice%s cannot be used", unusable,
                 unusable > 1 ? "s" : "");
    return WS_OK;
}

ws_status vfy_verify_choices(vfy_session *s, const char *source, size_t n, const vfy_options *o,
                             int max, vfy_verdict *out, ws_err *err)
{
    if (vfy_verify(s, source, n, o, out, err))
        return err->status;
    if (out->reason != HX_PASS || max <= 0)
        return WS_OK;
    ws_arena a = {0};
    const spec *sp = NULL;
    const plan_names *names = vfy_session_names(s, &sp);
    ws_env bench = spec_env(sp, -1);
    plan *p = NULL;
    hx_diag d = {0};
    int64_t *row = NULL;
    int rows = plan_parse(&a, source, n, names, &p, &d) && p->n_tune
                   ? plan_enumerate(&a, p, &bench, MAX_CHOICES, &row)
                   : 0;
    ws_status st = rows ? try_choices(s, source, n, o, p, row, rows, max, out, err) : WS_OK;
    ws_arena_release(&a);
    return st;
}
