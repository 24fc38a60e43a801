/* Copies of one kernel in sittings of `bench`: each is as fast as the other. */
#include "tests/gpucheck/check.h"

#include "reference/emit.h"
#include "verifier/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* On the CPU driver, which times a model, a few. */
enum { COPIES = 20, SITTINGS = 5, ENGINE_COPIES = 2, ENGINE_SITTINGS = 1 };
/* Of 100 comparisons of a kernel with itself. */
static const double LEAST_SAME = 0.95;
static const double EVENT_STEP_S = 0.5e-6; /* cuEventElapsedTime's */

/* Copies differ in a comment. */
static const char *copy_of(ws_arena *a, const ws_buf *source, int i)
{
    return ws_arena_printf(a, "%.*s\n// copy %d\n", (int)source->n, source->p, i);
}

static void say(gc_check *c, const vfy_bench *b, int sitting, int *same, int *faster)
{
    cJSON *row = cJSON_CreateObject();
    char name[64], text[160];
    int here = 0, won = 0;
    for (int i = 0; i < b->n; i++) {
        here += b->entry[i].first.verdict == TIM_SAME;
        won += b->entry[i].first.verdict == TIM_FASTER;
    }
    *same += here;
    *faster += won;
    cJSON_AddNumberToObject(row, "same", here);
    cJSON_AddNumberToObject(row, "faster", won);
    cJSON_AddNumberToObject(row, "mde", b->rule.mde);
    cJSON_AddItemToObject(row, "aa", tim_pairs_to_json(&b->aa));
    snprintf(name, sizeof name, "sitting %d", sitting + 1);
    snprintf(text, sizeof text, "%d of %d copies are the same, %d faster; it tells %.2f %% apart", here,
             b->n, won, 100 * b->rule.mde);
    gc_add(c, row, won ? GC_FAILED : GC_PASSED, name, text);
}

static ws_status sit(gc_check *c, vfy_session *s, const ws_buf *source, int sitting, int *same,
                     int *faster, ws_err *err)
{
    ws_arena a = {0};
    vfy_bench b = {.base = {.name = "emitted", .source = source->p, .n = source->n},
                   .n = c->engine ? ENGINE_COPIES : COPIES};
    const vfy_bench_options o = {.arch = c->arch, .gpu = c->gpu, .device = c->device,
                                 .shape = vfy_bench_shape(s), .budget_s = c->engine ? 0 : 10,
                                 .seed = 1 + (uint64_t)sitting,
                                 .noise = {.quantum_s = EVENT_STEP_S}};
    b.entry = WS_ARENA_NEW(&a, vfy_bench_entry, COPIES);
    for (int i = 0; i < b.n; i++) {
        b.entry[i].name = ws_arena_printf(&a, "copy %d", i);
        b.entry[i].source = copy_of(&a, source, i);
        b.entry[i].n = strlen(b.entry[i].source);
    }
    const ws_status st = vfy_bench_run(s, &o, &b, err);
    if (!st)
        say(c, &b, sitting, same, faster);
    vfy_bench_release(&b);
    ws_arena_release(&a);
    return st;
}

ws_status gc_timing(gc_check *c, ws_err *err)
{
    spec *sp = NULL;
    ref_graph *g = NULL;
    vfy_session *s = NULL;
    ws_buf source = {0};
    int same = 0, faster = 0, held = 0;
    const int copies = c->engine ? ENGINE_COPIES : COPIES;
    const int sittings = c->engine ? ENGINE_SITTINGS : SITTINGS;
    if (!spec_find("basics/softmax", &sp, err) && !ref_graph_new(sp, &g, err) &&
        !ref_emit(g, &source, err) && !vfy_session_open(sp, c->comp, &s, err))
        for (; held < sittings && !gc_over(c, "a sitting"); held++)
            if (sit(c, s, &source, held, &same, &faster, err))
                break;
    if (held) {
        char text[96];
        cJSON *row = cJSON_CreateObject();
        const double share = (double)same / (held * copies);
        cJSON_AddNumberToObject(row, "share", share);
        snprintf(text, sizeof text, "%.0f %% of %d", 100 * share, held * copies);
        gc_add(c, row, share >= LEAST_SAME && !faster ? GC_PASSED : GC_FAILED,
               "comparisons of a kernel with itself that end as same", text);
    }
    vfy_session_close(s);
    ws_buf_release(&source);
    ref_graph_free(g);
    spec_free(sp);
    return err->status;
}
