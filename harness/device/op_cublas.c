/* cublas: one product of matrices by cuBLASLt, timed. */
#include "base/mem.h"
#include "harness/baseline/cublaslt.h"
#include "harness/device/worker.h"

static void put_samples(jl_writer *a, const char *key, const double *t, int n)
{
    jl_open(a, key, '[');
    for (int i = 0; i < n; i++)
        jl_put_number(a, NULL, t[i]);
    jl_close(a, ']');
}

static ws_status op_cublas(dev_worker *w, const jl_value *request, jl_writer *a, ws_err *err)
{
    lt_problem p;
    int64_t samples;
    lt_result *r = WS_ARENA_NEW(&w->arena, lt_result, 1);
    if (cu_is_engine(w->d))
        return ws_fail(err, WS_EENV, "cuBLASLt runs on GPUs alone, this is the CPU engine");
    if (lt_problem_read(request, &p, err) ||
        jl_int(request, "samples", 1, LT_MAX_SAMPLES, &samples, err) ||
        lt_measure(w->d, &p, (int)samples, r, err))
        return err->status;
    jl_put_int(a, "version", r->version);
    jl_put_int(a, "algos", r->algos);
    jl_put_int(a, "best", r->best);
    put_samples(a, "first", r->first, r->n);
    put_samples(a, "fastest", r->fastest, r->n);
    return WS_OK;
}

const dev_op dev_ops_cublas[] = {
    {"cublas", op_cublas},
    {NULL, NULL},
};
