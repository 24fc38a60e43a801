#include "harness/baseline/cublaslt.h"

#include "base/mem.h"
#include "base/philox.h"
#include "harness/baseline/cublaslt_api.h"
#include "harness/toolkit.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

enum { WORKSPACE = 64 << 20, TRIALS = 5, WARM_UP = 20, RANDOM_BYTES = 1 << 20 };
static const int64_t MOST = (int64_t)1 << 31; /* of a dimension, and of the batch */

static lt_api api;

static const ws_symbol rows[] = {
#define X(member, symbol, params) WS_SYMBOL(lt_api, member, symbol, false),
    LT_LIST(X)
#undef X
    WS_SYMBOL(lt_api, version, cublasLtGetVersion, false),
    WS_SYMBOL(lt_api, status_string, cublasLtGetStatusString, false),
};
const ws_symbols lt_symbols = {"cuBLASLt", rows, WS_COUNT(rows)};

#define TRY(member, err, ...) check(api.member(__VA_ARGS__), #member, (err))

static ws_status check(lt_status st, const char *call, ws_err *err)
{
    return st == LT_OK ? WS_OK
                       : ws_fail(err, WS_EENV, "cuBLASLt, %s: %s", call, api.status_string(st));
}

static ws_status load(ws_err *err)
{
    static const char *const names[] = {"libcublasLt.so.13", "libcublasLt.so.12", NULL};
    char path[PATH_MAX];
    if (api.version)
        return WS_OK;
    void *lib = hx_toolkit_find(names, path) ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    for (int i = 0; !lib && names[i]; i++)
        lib = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (!lib)
        return ws_fail(err, WS_EENV, "cuBLASLt (libcublasLt.so.13 or .12) was not found");
    const char *missing = ws_symbols_take(lib, &lt_symbols, &api);
    if (missing) {
        api = (lt_api){0};
        return ws_fail(err, WS_EENV, "this cuBLASLt is too old: it has no %s", missing);
    }
    return WS_OK;
}

/* ---- problems ---- */

static const struct {
    int type, compute;
    size_t bytes;
    const char *says;
} classes[] = {
    {LT_R_32F, LT_COMPUTE_32F, 4, "f32 in, f32 sums, TF32 not allowed"},
    {LT_R_32F, LT_COMPUTE_32F_TF32, 4, "tf32 in, f32 sums, TF32 allowed"},
    {LT_R_16F, LT_COMPUTE_32F, 2, "f16 in, f32 sums"},
    {LT_R_16BF, LT_COMPUTE_32F, 2, "bf16 in, f32 sums"},
    {LT_R_64F, LT_COMPUTE_64F, 8, "f64 in, f64 sums"},
};

static int class_of(const lt_problem *p)
{
    for (size_t i = 0; i < WS_COUNT(classes); i++)
        if (classes[i].type == p->type && classes[i].compute == p->compute)
            return (int)i;
    return -1;
}

const char *lt_precision(const lt_problem *p)
{
    return class_of(p) < 0 ? "unknown" : classes[class_of(p)].says;
}

size_t lt_element_bytes(const lt_problem *p)
{
    return class_of(p) < 0 ? 0 : classes[class_of(p)].bytes;
}

void lt_problem_write(const lt_problem *p, jl_writer *w)
{
    jl_put_int(w, "m", p->m);
    jl_put_int(w, "n", p->n);
    jl_put_int(w, "k", p->k);
    jl_put_int(w, "batch", p->batch);
    jl_put_bool(w, "trans_a", p->trans_a);
    jl_put_bool(w, "trans_b", p->trans_b);
    jl_put_bool(w, "bias", p->bias);
    jl_put_bool(w, "relu", p->relu);
    jl_put_int(w, "type", p->type);
    jl_put_int(w, "compute", p->compute);
}

ws_status lt_problem_read(const jl_value *o, lt_problem *out, ws_err *err)
{
    int64_t type, compute;
    if (jl_int(o, "m", 1, MOST, &out->m, err) || jl_int(o, "n", 1, MOST, &out->n, err) ||
        jl_int(o, "k", 1, MOST, &out->k, err) || jl_int(o, "batch", 1, MOST, &out->batch, err) ||
        jl_int(o, "type", 0, INT32_MAX, &type, err) ||
        jl_int(o, "compute", 0, INT32_MAX, &compute, err))
        return err->status;
    out->type = (int)type;
    out->compute = (int)compute;
    out->trans_a = jl_bool_or(o, "trans_a", false);
    out->trans_b = jl_bool_or(o, "trans_b", false);
    out->bias = jl_bool_or(o, "bias", false);
    out->relu = jl_bool_or(o, "relu", false);
    return class_of(out) < 0 ? ws_fail(err, WS_EINPUT, "operands of type %d with sums of type %d",
                                       out->type, out->compute)
                             : WS_OK;
}

/* ---- one product on a device ---- */

typedef struct product {
    cu_device *d;
    const lt_problem *p;
    lt_handle handle;
    lt_desc desc;
    lt_layout a, b, out; /* column-major: a is the spec's b, b its a */
    lt_pref pref;
    lt_heuristic algo[LT_MAX_ALGOS];
    int n_algos;
    uint64_t at_a, at_b, at_out, at_bias, at_workspace, at_flush;
    size_t flush_bytes;
    cu_event *from, *to;
} product;

static ws_status set_desc(product *x, int attr, const void *value, size_t n, ws_err *err)
{
    return TRY(desc_set, err, x->desc, (lt_desc_attr)attr, value, n);
}

/* `rows` x `columns`, column-major without gaps, `batch` of them one after the other. */
static ws_status make_layout(product *x, int64_t rows_, int64_t columns, lt_layout *out,
                             ws_err *err)
{
    const int32_t batch = (int32_t)x->p->batch;
    const int64_t stride = rows_ * columns;
    if (TRY(layout_create, err, out, (lt_type)x->p->type, (uint64_t)rows_, (uint64_t)columns,
            rows_))
        return err->status;
    if (batch == 1)
        return WS_OK;
    if (TRY(layout_set, err, *out, (lt_layout_attr)LT_LAYOUT_BATCH_COUNT, &batch, sizeof batch))
        return err->status;
    return TRY(layout_set, err, *out, (lt_layout_attr)LT_LAYOUT_BATCH_STRIDE, &stride,
               sizeof stride);
}

static ws_status describe(product *x, ws_err *err)
{
    const lt_problem *p = x->p;
    const int32_t op_a = p->trans_b ? LT_OP_T : LT_OP_N, op_b = p->trans_a ? LT_OP_T : LT_OP_N;
    const int32_t epilogue = p->bias && p->relu ? LT_EPILOGUE_RELU_BIAS
                             : p->bias          ? LT_EPILOGUE_BIAS
                             : p->relu          ? LT_EPILOGUE_RELU
                                                : LT_EPILOGUE_DEFAULT;
    const uint64_t workspace = WORKSPACE;
    const int scale = p->compute == LT_COMPUTE_64F ? LT_R_64F : LT_R_32F;
    if (TRY(create, err, &x->handle) ||
        TRY(desc_create, err, &x->desc, (lt_compute)p->compute, (lt_type)scale) ||
        set_desc(x, LT_DESC_TRANSA, &op_a, sizeof op_a, err) ||
        set_desc(x, LT_DESC_TRANSB, &op_b, sizeof op_b, err) ||
        set_desc(x, LT_DESC_EPILOGUE, &epilogue, sizeof epilogue, err) ||
        (p->bias && set_desc(x, LT_DESC_BIAS_POINTER, &x->at_bias, sizeof x->at_bias, err)))
        return err->status;
    if (make_layout(x, p->trans_b ? p->k : p->n, p->trans_b ? p->n : p->k, &x->a, err) ||
        make_layout(x, p->trans_a ? p->m : p->k, p->trans_a ? p->k : p->m, &x->b, err) ||
        make_layout(x, p->n, p->m, &x->out, err) || TRY(pref_create, err, &x->pref) ||
        TRY(pref_set, err, x->pref, (lt_pref_attr)LT_PREF_WORKSPACE_BYTES, &workspace,
            sizeof workspace))
        return err->status;
    if (TRY(heuristics, err, x->handle, x->desc, x->a, x->b, x->out, x->out, x->pref, LT_MAX_ALGOS,
            x->algo, &x->n_algos))
        return err->status;
    return x->n_algos ? WS_OK : ws_fail(err, WS_EENV, "cuBLASLt has no algorithm for this product");
}

/* Random numbers near 1 in any of the formats: power, and so the clock, depends on the bits. */
static ws_status fill(product *x, uint64_t at, size_t bytes, uint64_t seed, ws_err *err)
{
    unsigned char *block = ws_malloc(RANDOM_BYTES);
    const size_t element = lt_element_bytes(x->p);
    /* The exponent's byte of 1 to 2: 0x3f of f32, bf16 and f64, 0x3c of f16. */
    const unsigned char top = x->p->type == LT_R_16F ? 0x3c : 0x3f;
    for (size_t i = 0; i < RANDOM_BYTES; i += 8) {
        const uint64_t r = ws_philox_u64(seed, 0, i);
        memcpy(block + i, &r, 8);
    }
    for (size_t i = element - 1; i < RANDOM_BYTES; i += element)
        block[i] = (unsigned char)(top | (block[i] & 0x80));
    for (size_t done = 0; done < bytes && !err->status; done += RANDOM_BYTES)
        (void)!cu_upload(x->d, at + done, block,
                         bytes - done < RANDOM_BYTES ? bytes - done : RANDOM_BYTES, err);
    free(block);
    return err->status;
}

static ws_status allocate(product *x, ws_err *err)
{
    const lt_problem *p = x->p;
    const size_t element = lt_element_bytes(p), batch = (size_t)p->batch;
    const size_t a = (size_t)(p->m * p->k) * batch * element,
                 b = (size_t)(p->k * p->n) * batch * element,
                 out = (size_t)(p->m * p->n) * batch * element, bias = (size_t)p->n * element;
    cu_identity id;
    if (cu_identify(x->d, 0, &id, err))
        return err->status;
    x->flush_bytes = id.l2_bytes > 0 ? 2 * (size_t)id.l2_bytes : 128u << 20;
    if (cu_alloc(x->d, a, "a", &x->at_a, err) || cu_alloc(x->d, b, "b", &x->at_b, err) ||
        cu_alloc(x->d, out, "out", &x->at_out, err) ||
        cu_alloc(x->d, bias, "bias", &x->at_bias, err) ||
        cu_alloc(x->d, WORKSPACE, "workspace", &x->at_workspace, err) ||
        cu_alloc(x->d, x->flush_bytes, "flush", &x->at_flush, err) || fill(x, x->at_a, a, 1, err) ||
        fill(x, x->at_b, b, 2, err) || fill(x, x->at_bias, bias, 3, err))
        return err->status;
    return cu_event_new(x->d, &x->from, err) ? err->status : cu_event_new(x->d, &x->to, err);
}

static void release(product *x)
{
    const uint64_t at[] = {x->at_a, x->at_b, x->at_out, x->at_bias, x->at_workspace, x->at_flush};
    for (size_t i = 0; i < WS_COUNT(at); i++)
        cu_free(x->d, at[i]);
    cu_event_free(x->d, x->from);
    cu_event_free(x->d, x->to);
    lt_layout layouts[] = {x->a, x->b, x->out};
    for (size_t i = 0; i < WS_COUNT(layouts); i++)
        if (layouts[i])
            api.layout_destroy(layouts[i]);
    if (x->pref)
        api.pref_destroy(x->pref);
    if (x->desc)
        api.desc_destroy(x->desc);
    if (x->handle)
        api.destroy(x->handle);
}

/* Seconds of one product by algorithm `i`, with a cold L2. */
static ws_status time_one(product *x, int i, double *seconds, ws_err *err)
{
    const float one = 1, zero = 0;
    const double one_d = 1, zero_d = 0;
    const bool is_double = x->p->compute == LT_COMPUTE_64F;
    void *out = (void *)(uintptr_t)x->at_out;
    if (cu_fill(x->d, x->at_flush, 0, x->flush_bytes, err) || cu_event_record(x->d, x->from, err) ||
        TRY(matmul, err, x->handle, x->desc, is_double ? (const void *)&one_d : &one,
            (const void *)(uintptr_t)x->at_b, x->a, (const void *)(uintptr_t)x->at_a, x->b,
            is_double ? (const void *)&zero_d : &zero, out, x->out, out, x->out, &x->algo[i].algo,
            (void *)(uintptr_t)x->at_workspace, WORKSPACE, NULL) ||
        cu_event_record(x->d, x->to, err))
        return err->status;
    return cu_event_seconds(x->d, x->from, x->to, seconds, err);
}

/* The fastest by the least of a few; an algorithm that fails is left out. */
static ws_status choose(product *x, lt_result *out, ws_err *err)
{
    double least = 0;
    out->best = -1;
    for (int i = 0; i < x->n_algos; i++) {
        double shortest = 0, t = 0;
        ws_err failed = {0};
        for (int k = 0; k < TRIALS && !failed.status; k++)
            if (!time_one(x, i, &t, &failed) && (!k || t < shortest))
                shortest = t;
        if (failed.status && !i)
            return *err = failed, err->status;
        if (!failed.status && (out->best < 0 || shortest < least)) {
            least = shortest;
            out->best = i;
        }
    }
    return WS_OK;
}

static ws_status run(product *x, int samples, lt_result *out, ws_err *err)
{
    double t;
    if (allocate(x, err) || describe(x, err) || choose(x, out, err))
        return err->status;
    out->algos = x->n_algos;
    out->n = samples;
    for (int i = 0; i < WARM_UP; i++)
        if (time_one(x, 0, &t, err))
            return err->status;
    for (int i = 0; i < samples; i++) {
        const bool swapped = ws_philox_u64(4, 0, (uint64_t)i) & 1; /* who comes first is drawn */
        for (int k = 0; k < 2; k++) {
            const bool first = (k == 0) != swapped;
            if (time_one(x, first ? 0 : out->best, first ? &out->first[i] : &out->fastest[i], err))
                return err->status;
        }
    }
    return WS_OK;
}

ws_status lt_measure(cu_device *d, const lt_problem *p, int samples, lt_result *out, ws_err *err)
{
    product x = {.d = d, .p = p};
    *out = (lt_result){0};
    if (samples < 1 || samples > LT_MAX_SAMPLES || class_of(p) < 0)
        return ws_fail(err, WS_EINPUT, "%d samples, expected 1 to %d", samples, LT_MAX_SAMPLES);
    if (load(err))
        return err->status;
    out->version = (int)api.version();
    const ws_status st = run(&x, samples, out, err);
    release(&x);
    return st;
}
