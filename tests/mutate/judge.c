#include "tests/mutate/judge.h"

#include "base/clock.h"
#include "harness/plan/plan.h"
#include "verifier/session.h"
#include "verifier/verify.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const mut_fate_name[MUT_FATES] = {"killed", "stillborn", "identical", "survived"};

/* As `warpsmith verify` has it, but for the seed, which is fixed, and for what one run may take; a
 * compile has the time that it needs on a busy machine, as one that is cut off says nothing. */
enum { SEED = 1, CHOICES = 12, RUN_SECONDS = 15, COMPILE_SECONDS = 180, MOST_CHOICES = 64 };

/* A text that was judged. */
typedef struct judged {
    char *text;
    size_t n;
    char bench[WS_SHA256_HEX]; /* of its plan and of its PTX at the benchmark shape */
    char ptx[WS_SHA256_HEX]; /* of its plan and PTX at all shapes and choices; "": not asked for yet
                              */
    mut_outcome outcome;
} judged;

struct mut_judge {
    spec *spec;
    comp_service *comp;
    vfy_session *session;
    char arch[16];
    judged *known; /* the first is the original */
    int n_known, cap;
};

/* A kernel's first line may name one: "arch: sm_90a". */
static void read_arch(const char *source, char out[16])
{
    const char *line_end = strchrnul(source, '\n'), *at = strstr(source, " arch: ");
    snprintf(out, 16, "sm_90");
    if (at && at < line_end)
        sscanf(at, " arch: %15s", out);
}

ws_status mut_judge_open(const char *spec_name, const char *source, size_t n, mut_judge **out,
                         ws_err *err)
{
    mut_judge *j = ws_calloc(1, sizeof *j);
    read_arch(source, j->arch);
    if (spec_find(spec_name, &j->spec, err) ||
        comp_service_open(
            &(comp_service_options){.cache_dir = "", .wall_seconds = COMPILE_SECONDS}, &j->comp,
            err) ||
        vfy_session_open(j->spec, j->comp, &j->session, err)) {
        mut_judge_close(j);
        return err->status;
    }
    WS_GROW(j->known, j->n_known, j->cap);
    j->known[j->n_known++] = (judged){.text = ws_strndup(source, n), .n = n};
    *out = j;
    return WS_OK;
}

void mut_judge_close(mut_judge *j)
{
    if (!j)
        return;
    for (int i = 0; i < j->n_known; i++)
        free(j->known[i].text);
    free(j->known);
    vfy_session_close(j->session);
    comp_service_close(j->comp);
    spec_free(j->spec);
    free(j);
}

/* ---- the same program ---- */

enum { BENCH_PTX, ALL_PTX, ALL_MACHINE_CODE };

static void add_plan(ws_sha256 *h, const plan_bound *b)
{
    ws_sha256_add(h, &b->n_launches, sizeof b->n_launches);
    for (int i = 0; i < b->n_launches; i++) {
        const plan_bound_launch *l = &b->launch[i];
        const int64_t size[] = {l->grid[0],    l->grid[1],    l->grid[2],    l->block[0],
                                l->block[1],   l->block[2],   l->shared,     l->max_dynamic_shared,
                                l->cluster[0], l->cluster[1], l->cluster[2], l->cooperative,
                                l->n_args};
        ws_sha256_add_field(h, l->kernel, strlen(l->kernel));
        ws_sha256_add(h, size, sizeof size);
        for (int a = 0; a < l->n_args; a++) {
            const int64_t what[] = {l->arg[a].kind, l->arg[a].index, l->arg[a].integer};
            ws_sha256_add(h, what, sizeof what);
            ws_sha256_add(h, &l->arg[a].number, sizeof l->arg[a].number);
        }
        for (int m = 0; m < l->n_maps; m++) {
            const int64_t what[] = {l->map[m].is_scratch, l->map[m].index};
            ws_sha256_add(h, what, sizeof what);
            ws_sha256_add(h, &l->map[m].map, sizeof l->map[m].map);
        }
    }
    ws_sha256_add_field(h, b->scratch_bytes, (size_t)b->n_scratch * sizeof *b->scratch_bytes);
}

static ws_status add_code(mut_judge *j, const judged *k, const plan_bound *b, int what, ws_arena *a,
                          ws_sha256 *h, bool *ok, ws_err *err)
{
    comp_result r;
    comp_request q = vfy_request(a, b, vfy_names_dims(k->text, k->n), what != ALL_PTX);
    q.line_info = false;
    q.source = k->text;
    q.source_bytes = k->n;
    q.file = "kernel.cu";
    q.arch = j->arch;
    if (comp_compile(j->comp, &q, a, &r, err))
        return err->status;
    *ok = r.ok;
    if (r.ok && what == ALL_MACHINE_CODE)
        ws_sha256_add_field(h, r.cubin, r.cubin_bytes);
    else if (r.ok)
        ws_sha256_add_field(h, r.ptx, r.ptx_bytes);
    return WS_OK;
}

/* "" when there is no such program, or more choices of its tunables than are looked at. */
static ws_status digest(mut_judge *j, const judged *k, int what, char out[WS_SHA256_HEX],
                        ws_err *err)
{
    ws_arena a = {0};
    ws_sha256 h;
    plan *p = NULL;
    hx_diag d = {0};
    const spec *s;
    const plan_names *names = vfy_session_names(j->session, &s);
    ws_env bench = spec_env(s, -1);
    int64_t *row = NULL;
    ws_status st = WS_OK;
    bool ok = plan_parse(&a, k->text, k->n, names, &p, &d);
    int rows = ok && p->n_tune ? plan_enumerate(&a, p, &bench, MOST_CHOICES + 1, &row) : 1;
    ok = ok && rows <= MOST_CHOICES;
    ws_sha256_init(&h);
    for (int r = 0; ok && !st && r < rows; r++)
        for (int c = -1; ok && !st && c < s->n_checks; c++) {
            ws_env env = spec_env(s, c);
            plan_bound *b = NULL;
            if (!plan_bind(&a, p, &env, row ? row + (size_t)r * (size_t)p->n_tune : NULL, &b, &d)) {
                ws_sha256_add_field(&h, "refused", 7);
                continue;
            }
            add_plan(&h, b);
            if (what != BENCH_PTX || (c < 0 && r == 0))
                st = add_code(j, k, b, what, &a, &h, &ok, err);
        }
    ws_sha256_hex(&h, out);
    if (!ok)
        out[0] = 0;
    ws_arena_release(&a);
    return st;
}

/* Whether both are the same program as far as `what` says; what that takes is compiled once. */
static ws_status same(mut_judge *j, judged *a, judged *b, bool *is, ws_err *err)
{
    *is = false;
    if (!a->bench[0] || strcmp(a->bench, b->bench) != 0)
        return WS_OK;
    if ((!a->ptx[0] && digest(j, a, ALL_PTX, a->ptx, err)) ||
        (!b->ptx[0] && digest(j, b, ALL_PTX, b->ptx, err)))
        return err->status;
    *is = a->ptx[0] && strcmp(a->ptx, b->ptx) == 0;
    return WS_OK;
}

/* ---- verdicts ---- */

static bool is_stillborn(const vfy_verdict *v)
{
    switch (v->reason) {
    case HX_PLAN_MISSING:
    case HX_PLAN_INVALID:
    case HX_PLAN_MISMATCH:
    case HX_FORBIDDEN_CONSTRUCT:
    case HX_COMPILE_ERROR:
    case HX_PTXAS_ERROR:
    case HX_COMPILE_LIMIT:
        return v->level < VFY_COMPILES;
    default:
        return false;
    }
}

static void one_line(char *out, size_t size, const char *text)
{
    snprintf(out, size, "%.*s", (int)size - 1, text);
    for (char *p = out; *p; p++)
        if (iscntrl((unsigned char)*p))
            *p = ' ';
}

static ws_status verdict_on(mut_judge *j, const char *file, const judged *k, mut_outcome *out,
                            ws_err *err)
{
    vfy_verdict *v = ws_calloc(1, sizeof *v);
    const vfy_options o = {.seed = SEED,
                           .arch = j->arch,
                           .depth = VFY_FULL,
                           .max_level = VFY_ALGEBRAIC,
                           .wall_seconds = RUN_SECONDS,
                           .threads = 1,
                           .file = file};
    ws_status st = vfy_verify_choices(j->session, k->text, k->n, &o, CHOICES, v, err);
    out->fate = v->reason == HX_PASS ? MUT_SURVIVED : is_stillborn(v) ? MUT_STILLBORN : MUT_KILLED;
    const bool warned = v->reason == HX_PASS && v->warning[0];
    snprintf(out->reason, sizeof out->reason, "%s", warned ? MUT_WARNED : hx_reason_name(v->reason));
    one_line(out->text, sizeof out->text, v->text);
    free(v);
    return st;
}

/* What survives may still be the same machine code, whatever its PTX. */
static ws_status prove(mut_judge *j, const judged *k, mut_outcome *out, ws_err *err)
{
    char a[WS_SHA256_HEX], b[WS_SHA256_HEX];
    if (digest(j, k, ALL_MACHINE_CODE, a, err) || digest(j, &j->known[0], ALL_MACHINE_CODE, b, err))
        return err->status;
    if (a[0] && strcmp(a, b) == 0) {
        out->fate = MUT_IDENTICAL;
        snprintf(out->reason, sizeof out->reason, "machine code");
    }
    return WS_OK;
}

ws_status mut_judge_one(mut_judge *j, const char *file, const char *text, size_t n,
                        mut_outcome *out, ws_err *err)
{
    const int64_t start = ws_now_ns();
    judged k = {.text = ws_strndup(text, n), .n = n};
    bool is = false;
    ws_status st = digest(j, &k, BENCH_PTX, k.bench, err);
    if (!st && !j->known[0].bench[0])
        st = digest(j, &j->known[0], BENCH_PTX, j->known[0].bench, err);
    const bool original = n == j->known[0].n && memcmp(text, j->known[0].text, n) == 0;
    for (int i = original ? 1 : 0; i < j->n_known && !st && !is; i++) {
        st = same(j, &k, &j->known[i], &is, err);
        if (is && i == 0)
            k.outcome = (mut_outcome){.fate = MUT_IDENTICAL, .reason = "ptx"};
        else if (is)
            k.outcome = j->known[i].outcome;
    }
    if (!st && !is)
        st = verdict_on(j, file, &k, &k.outcome, err);
    if (!st && !is && !original && k.outcome.fate == MUT_SURVIVED)
        st = prove(j, &k, &k.outcome, err);
    k.outcome.seconds = ws_seconds_since(start);
    *out = k.outcome;
    WS_GROW(j->known, j->n_known, j->cap);
    j->known[j->n_known++] = k;
    return st;
}
