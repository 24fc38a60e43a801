/* hello, health, run: what every worker can do. */
#include "harness/device/program.h"
#include "harness/device/protocol.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_POISONS = 16 };

/* ---- hello: who and where ---- */

static ws_status put_device(dev_worker *w, int i, jl_writer *a, ws_err *err)
{
    cu_identity id;
    if (cu_identify(w->d, i, &id, err))
        return err->status;
    jl_open(a, NULL, '{');
    jl_put_text(a, "uuid", id.uuid);
    jl_put_text(a, "name", id.name);
    jl_put_int(a, "capability", id.capability);
    jl_put_int(a, "sms", id.sms);
    jl_put_int(a, "l2_bytes", id.l2_bytes);
    jl_put_int(a, "memory_bytes", id.memory_bytes);
    jl_put_bool(a, "mig", id.mig);
    jl_close(a, '}');
    return WS_OK;
}

static ws_status op_hello(dev_worker *w, const jl_value *request, jl_writer *a, ws_err *err)
{
    (void)request;
    jl_put_int(a, "protocol", DEV_PROTOCOL);
    jl_put_int(a, "pid", getpid());
    jl_put_int(a, "driver", cu_driver_version(w->d));
    jl_put_bool(a, "engine", cu_is_engine(w->d));
    jl_put_bool(a, "maps", cu_can_map(w->d));
    jl_open(a, "devices", '[');
    for (int i = 0; i < cu_device_count(w->d); i++)
        if (put_device(w, i, a, err))
            return err->status;
    jl_close(a, ']');
    return WS_OK;
}

/* ---- health: memory, copies, and a kernel whose result is known ---- */

enum { HEALTH_WORDS = 1 << 16, HEALTH_BLOCK = 256 };

/* p[i] = 3 * p[i] + i */
static const char health_ptx[] =
    ".version 6.4\n.target sm_70\n.address_size 64\n"
    ".visible .entry health(.param .u64 p)\n{\n"
    "  .reg .b32 %r<7>;\n  .reg .b64 %rd<4>;\n"
    "  ld.param.u64 %rd1, [p];\n"
    "  mov.u32 %r1, %ctaid.x;\n  mov.u32 %r2, %ntid.x;\n  mov.u32 %r3, %tid.x;\n"
    "  mad.lo.s32 %r4, %r1, %r2, %r3;\n"
    "  mul.wide.u32 %rd2, %r4, 4;\n  add.s64 %rd3, %rd1, %rd2;\n"
    "  ld.global.u32 %r5, [%rd3];\n"
    "  mad.lo.s32 %r6, %r5, 3, %r4;\n"
    "  st.global.u32 [%rd3], %r6;\n  ret;\n}\n";

static ws_status run_health(dev_worker *w, cu_module *m, uint64_t at, uint32_t *word, ws_err *err)
{
    const cu_launch_args l = {.kernel = "health",
                              .grid = {HEALTH_WORDS / HEALTH_BLOCK, 1, 1},
                              .block = {HEALTH_BLOCK, 1, 1},
                              .params = &at,
                              .params_bytes = sizeof at};
    for (uint32_t i = 0; i < HEALTH_WORDS; i++)
        word[i] = i * UINT32_C(2654435761);
    if (cu_upload(w->d, at, word, HEALTH_WORDS * sizeof *word, err) ||
        cu_launch(w->d, m, &l, err) || cu_synchronize(w->d, err) ||
        cu_download(w->d, word, at, HEALTH_WORDS * sizeof *word, err))
        return err->status;
    for (uint32_t i = 0; i < HEALTH_WORDS; i++)
        if (word[i] != 3 * (i * UINT32_C(2654435761)) + i)
            return ws_fail(err, WS_EENV, "a known kernel gave a wrong word: %u at %u", word[i], i);
    return WS_OK;
}

static ws_status op_health(dev_worker *w, const jl_value *request, jl_writer *a, ws_err *err)
{
    cu_module *m = NULL;
    uint64_t at = 0;
    uint32_t *word = WS_ARENA_NEW(&w->arena, uint32_t, HEALTH_WORDS);
    (void)request, (void)a;
    if (!cu_module_load(w->d, health_ptx, sizeof health_ptx, &m, err) &&
        !cu_alloc(w->d, HEALTH_WORDS * sizeof *word, "health", &at, err))
        (void)!run_health(w, m, at, word, err);
    cu_free(w->d, at);
    cu_module_unload(w->d, m);
    w->spent = err->status != WS_OK;
    return err->status;
}

/* ---- run: a bound plan on given tensors ---- */

static ws_status read_poisons(const jl_value *request, unsigned char *out, int *n, ws_err *err)
{
    const jl_value *list;
    if (jl_array(request, "poisons", &list, err))
        return err->status;
    if (list->n < 1 || list->n > MAX_POISONS)
        return ws_fail(err, WS_EINPUT, "'poisons': %d bytes, of at most %d", list->n, MAX_POISONS);
    *n = 0;
    for (const jl_value *v = list->child; v; v = v->next) {
        if (v->kind != JL_INT || v->whole < 0 || v->whole > 255)
            return ws_fail(err, WS_EINPUT, "'poisons': expected bytes");
        out[(*n)++] = (unsigned char)v->whole;
    }
    return WS_OK;
}

/* A byte that shows every poison was never written; the engine knows of each. */
static void note_written(dev_worker *w, dev_tensor *t, unsigned char byte, bool first)
{
    if (!t->written || t->role != RUN_OUTPUT)
        return;
    if (cu_is_engine(w->d)) {
        cu_engine_written(w->d, t->buffer.ptr, t->bytes, t->written);
        return;
    }
    for (size_t b = 0; b < t->bytes; b++)
        t->written[b] = (uint8_t)((!first && t->written[b]) || t->out[b] != byte);
}

/* Outputs of run i into the shared memory. *same: they are what the run before left there. */
static ws_status collect(dev_worker *w, dev_program *p, int i, unsigned char byte, bool *same,
                         ws_err *err)
{
    for (int k = 0; k < p->n_tensors; k++) {
        dev_tensor *t = &p->tensor[k];
        uint64_t before;
        if (t->role == RUN_INPUT)
            continue;
        before = i ? dev_digest(&p->key, 0, t->out, t->bytes) : 0;
        if (cu_download(w->d, t->out, t->buffer.ptr, t->bytes, err))
            return err->status;
        if (i && before != dev_digest(&p->key, 0, t->out, t->bytes))
            *same = false;
        note_written(w, t, byte, i == 0);
    }
    return WS_OK;
}

static ws_status run_all(dev_worker *w, dev_program *p, const unsigned char *poison, int n,
                         bool *same, ws_err *err)
{
    *same = true;
    for (int i = 0; i < n; i++) {
        if (dev_program_prepare(w, p, poison[i], err) || dev_program_launch(w, p, err))
            return err->status;
        if (w->reason != HX_PASS || dev_program_examine(w, p, err) || w->reason != HX_PASS)
            return err->status;
        if (collect(w, p, i, poison[i], same, err))
            return err->status;
    }
    return WS_OK;
}

static ws_status op_run(dev_worker *w, const jl_value *request, jl_writer *a, ws_err *err)
{
    dev_program p;
    unsigned char poison[MAX_POISONS];
    int n = 0;
    bool same = false;
    if (dev_program_read(w, request, &p, err) || read_poisons(request, poison, &n, err))
        return err->status;
    if (!dev_program_load(w, &p, err) && w->reason == HX_PASS)
        (void)!run_all(w, &p, poison, n, &same, err);
    jl_put_bool(a, "guarded", cu_can_map(w->d));
    if (!err->status && w->reason == HX_PASS)
        jl_put_bool(a, "same", same);
    if (!w->spent)
        dev_program_unload(w, &p);
    return err->status;
}

const dev_op dev_ops_base[] = {
    {"hello", op_hello},
    {"health", op_health},
    {"run", op_run},
    {NULL, NULL},
};
