/* Kernels that hang, fault, write astray or spam, each followed by a right one, which must be judged
 * as if nothing had been. */
#include "tests/gpucheck/check.h"
#include "tests/device_fixture.h"

enum { N = 1000 };

/* what it is, its kernel, what it may be called, whether a red zone can show it */
static const struct trouble {
    const char *name, *kernel;
    hx_reason want, or_else;
} troubles[] = {
    {"endless", "hang", HX_ENDLESS, HX_ENDLESS},
    {"far outside", "far", HX_OUT_OF_BOUNDS, HX_OUT_OF_BOUNDS},
    {"before its buffer", "below", HX_OUT_OF_BOUNDS, HX_OUT_OF_BOUNDS},
    {"into the red zone", "near", HX_OUT_OF_BOUNDS, HX_OUT_OF_BOUNDS},
    {"changes an input", "bump", HX_INPUT_MODIFIED, HX_INPUT_MODIFIED},
    {"misaligned", "odd", HX_MISALIGNED, HX_MISALIGNED},
    {"trap", "trap", HX_TRAP, HX_ILLEGAL}, /* a GPU calls it an illegal instruction or a failed launch */
    {"printf spam", "spam", HX_PASS, HX_PASS},
};

typedef struct data {
    fixture f;
    float a[N], b[N], c[N];
    uint8_t written[N * sizeof(float)];
} data;

static hx_reason judge(gc_check *c, data *x, const char *kernel, double *seconds, char *text, size_t n)
{
    static const unsigned char poison[] = {0xA5, 0xFF};
    fixture_run r;
    ws_err err = {0};
    ws_arena answers = {0};
    dev_bulk_memory bulk = {.fd = -1};
    hx_reason reason = HX_CRASH;
    fixture_run_init(&r, &x->f, kernel, x->a, x->b, x->c, x->written, N);
    if (!dev_bulk_new(dev_run_bytes(&r.r), &bulk, &err) &&
        !dev_run_encode(&r.r, poison, 2, &bulk, &r.members, r.places, &err)) {
        dev_request q = {.members = ws_buf_z(&r.members), .deadline_seconds = c->engine ? 3 : 10};
        dev_batch b = {.request = &q, .n = 1, .bulk = &bulk, .arena = &answers};
        dev_pool_run(c->pool, 0, &b);
        reason = q.answer.end == DEV_OK ? HX_PASS : q.answer.reason;
        *seconds = q.answer.seconds;
        snprintf(text, n, "%s%.400s", q.answer.end == DEV_NOT_RUN ? "not run: " : "", q.answer.text);
        dev_run_collect(&r.r, &bulk, r.places);
    }
    for (int i = 0; i < N && reason == HX_PASS; i++)
        if (!(x->c[i] == x->a[i] + x->b[i]))
            reason = HX_WRONG_RESULT;
    dev_bulk_release(&bulk);
    ws_buf_release(&r.members);
    ws_arena_release(&answers);
    return reason;
}

static void check_trouble(gc_check *c, data *x, const struct trouble *t)
{
    const double most = 30;
    double seconds = 0, after = 0;
    char text[512] = "", next[512] = "", name[96];
    const hx_reason got = judge(c, x, t->kernel, &seconds, text, sizeof text);
    const hx_reason good = judge(c, x, "good", &after, next, sizeof next);
    cJSON *row = cJSON_CreateObject();
    cJSON_AddStringToObject(row, "reason", hx_reason_name(got));
    cJSON_AddNumberToObject(row, "seconds", seconds);
    cJSON_AddStringToObject(row, "next", hx_reason_name(good));
    cJSON_AddNumberToObject(row, "next_seconds", after);
    snprintf(name, sizeof name, "%s, then a right kernel", t->name);
    const bool held = (got == t->want || got == t->or_else) && good == HX_PASS && seconds < most;
    gc_add(c, row, held ? GC_PASSED : GC_FAILED, name,
           held ? hx_reason_name(got) : good == HX_PASS ? text : next);
}

ws_status gc_survive(gc_check *c, ws_err *err)
{
    data *x = ws_calloc(1, sizeof *x);
    if (!fixture_init(&x->f)) {
        free(x);
        return ws_fail(err, WS_EBUG, "the kernels of the fixture cannot be read");
    }
    for (int i = 0; i < N; i++) {
        x->a[i] = (float)i / 8;
        x->b[i] = (float)(i % 7);
    }
    for (size_t i = 0; i < WS_COUNT(troubles); i++)
        if (!gc_leaves_out(c, troubles[i].name) && !gc_over(c, troubles[i].name))
            check_trouble(c, x, &troubles[i]);
    fixture_release(&x->f);
    free(x);
    return WS_OK;
}
