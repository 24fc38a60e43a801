#include "agent/cmd/bench_libraries.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/proc.h"
#include "harness/device/pool.h"
#include "verifier/cublas_plan.h"
#include "verifier/session.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SAMPLES = 100, CUBLAS_SECONDS = 300, TORCH_SECONDS = 900, LANE_SECONDS = 30 };

/* A pool of GPUs, or why there is none. */
static bool open_gpus(dev_pool **out, ws_err *why)
{
    const char *set = getenv("WARPSMITH_DEVICE");
    if (set && strcmp(set, "cpu") == 0) {
        ws_fail(why, WS_EENV, "no GPU is to be used: WARPSMITH_DEVICE is cpu");
        return false;
    }
    if (!dev_pool_open(&(dev_pool_options){.device = "gpu"}, out, why))
        return true;
    ws_wrap(why, "no GPU here");
    return false;
}

static vfy_baseline *next(vfy_baseline *out, int *n)
{
    return &out[*n < VFY_MAX_BASELINES ? (*n)++ : VFY_MAX_BASELINES - 1];
}

static void absent(vfy_baseline *out, int *n, const char *name, const char *why, const char *hint)
{
    vfy_baseline_absent(name, why, hint, next(out, n));
}

/* ---- cuBLASLt ---- */

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Raw samples of the answer as a row. */
static void add_cublas(const jl_value *list, const char *name, const char *device,
                       const char *precision, const char *note, vfy_baseline *out, int *n)
{
    double t[LT_MAX_SAMPLES], sum = 0, squares = 0;
    int count = 0;
    for (const jl_value *v = list ? list->child : NULL; v && count < LT_MAX_SAMPLES; v = v->next)
        if ((v->kind == JL_NUMBER || v->kind == JL_INT) && v->number > 0)
            t[count++] = v->number;
    if (!count) {
        absent(out, n, name, "the worker gave no times", NULL);
        return;
    }
    qsort(t, (size_t)count, sizeof *t, by_value);
    for (int i = 0; i < count; i++)
        sum += t[i];
    for (int i = 0; i < count; i++)
        squares += (t[i] - sum / count) * (t[i] - sum / count);
    vfy_baseline *b = next(out, n);
    *b = (vfy_baseline){.kind = VFY_BASELINE_MEASURED, .seconds = t[count / 2], .samples = count,
                        .min_s = t[0], .max_s = t[count - 1],
                        .std_s = count > 1 ? sqrt(squares / (count - 1)) : (double)NAN};
    snprintf(b->name, sizeof b->name, "%s", name);
    snprintf(b->hardware, sizeof b->hardware, "%s", device);
    snprintf(b->precision, sizeof b->precision, "%s", precision);
    snprintf(b->note, sizeof b->note, "%s", note);
    b->same_gpu = true;
}

static ws_status ask_cublas(dev_pool *pool, const lt_problem *p, vfy_baseline *out, int *n,
                            ws_err *err)
{
    const dev_device *d = dev_pool_device(pool, 0);
    ws_arena a = {0};
    ws_buf members = {0};
    jl_writer w = {.out = &members};
    dev_lock lock;
    char note[96];
    if (dev_lock_take(d->uuid, LANE_SECONDS, &lock, err))
        return err->status;
    jl_put_text(&w, "op", "cublas");
    jl_put_int(&w, "samples", SAMPLES);
    lt_problem_write(p, &w);
    dev_request q = {.members = ws_buf_z(&members), .deadline_seconds = CUBLAS_SECONDS};
    dev_batch batch = {.request = &q, .n = 1, .arena = &a};
    dev_pool_run(pool, 0, &batch);
    const dev_answer *got = &q.answer;
    if (got->end != DEV_OK) {
        absent(out, n, "cublas", *got->text ? got->text : dev_end_name(got->end),
               jl_text_or(got->json, "hint", ""));
    } else {
        snprintf(note, sizeof note, "cuBLASLt %d, cold caches",
                 (int)jl_int_or(got->json, "version", 0));
        add_cublas(jl_get(got->json, "first"), "cublas, heuristic 0", d->name, lt_precision(p),
                   note, out, n);
        snprintf(note, sizeof note, "algorithm %d of %d", (int)jl_int_or(got->json, "best", 0),
                 (int)jl_int_or(got->json, "algos", 0));
        add_cublas(jl_get(got->json, "fastest"), "cublas, best of 16", d->name, lt_precision(p),
                   note, out, n);
    }
    dev_lock_give(&lock);
    ws_buf_release(&members);
    ws_arena_release(&a);
    return WS_OK;
}

ws_status bench_cublas(vfy_session *s, int shape, vfy_baseline *out, int *n, ws_err *err)
{
    const ws_env dims = spec_env(s->spec, shape);
    ws_arena a = {0};
    ref_bound *b;
    lt_problem p;
    dev_pool *pool = NULL;
    ws_err failed = {0};
    char why[256], would[256], batch[32] = "";
    ws_status st = ref_bind(s->graph, &dims, &a, &b, err);
    if (!st && !vfy_cublas_plan(b, &p, why, sizeof why)) {
        absent(out, n, "cublas", why, NULL);
    } else if (!st && (!open_gpus(&pool, &failed) || ask_cublas(pool, &p, out, n, &failed))) {
        if (p.batch > 1)
            snprintf(batch, sizeof batch, ", %" PRId64 " at once", p.batch);
        snprintf(would, sizeof would,
                 "on one this is cuBLASLt's product of %" PRId64 " x %" PRId64 " by %" PRId64
                 " x %" PRId64 "%s%s%s, %s",
                 p.m, p.k, p.k, p.n, p.bias ? " with bias" : "", p.relu ? " and relu" : "", batch,
                 lt_precision(&p));
        absent(out, n, "cublas", failed.msg, would);
    }
    dev_pool_close(pool);
    ws_arena_release(&a);
    return st;
}

/* ---- PyTorch ---- */

static ws_status run_torch(const spec *s, int shape, const char *script, const char *path,
                           ws_buf *said, ws_err *err)
{
    const char *python = getenv("WARPSMITH_PYTHON");
    char number[16], samples[16];
    ws_proc p = {0};
    ws_proc_result end;
    snprintf(number, sizeof number, shape < 0 ? "bench" : "%d", shape);
    snprintf(samples, sizeof samples, "%d", SAMPLES);
    const char *by_path[] = {"/usr/bin/env", "python3"}, *given[] = {python};
    const char *argv[12];
    int k = 0;
    for (size_t i = 0; i < (python ? WS_COUNT(given) : WS_COUNT(by_path)); i++)
        argv[k++] = python ? given[i] : by_path[i];
    const char *rest[] = {script,  s->path, "--shape", number, "--samples",
                          samples, "--out", path,      NULL};
    for (size_t i = 0; i < WS_COUNT(rest); i++)
        argv[k++] = rest[i];
    const ws_proc_options o = {.argv = argv, .keep_output = true};
    if (ws_proc_spawn(&o, &p, err) ||
        ws_proc_wait(&p, ws_now_ns() + (int64_t)TORCH_SECONDS * 1000000000, said, &end, err))
        return err->status;
    if (end.how == WS_PROC_EXITED && end.code == 0)
        return WS_OK;
    const char *last = ws_buf_z(said), *line = last;
    for (const char *c = last; *c; c++)
        if (*c == '\n' && c[1])
            line = c + 1;
    return ws_fail(err, WS_EENV, "%.*s", (int)strcspn(line, "\n"),
                   end.how == WS_PROC_DEADLINE ? "PyTorch took longer than 15 minutes" : line);
}

ws_status bench_torch(const spec *s, int shape, const tim_gpu *gpu, vfy_baseline *out, int *n,
                      ws_err *err)
{
    const ws_env dims = spec_env(s, shape);
    ws_buf script = {0}, said = {.max = 1 << 20};
    ws_err failed = {0};
    dev_pool *pool = NULL;
    char path[] = "/tmp/warpsmith-torch-XXXXXX", hint[512];
    ws_home_path(&script, "harness/baseline/torch_baseline.py");
    char number[16];
    snprintf(number, sizeof number, shape < 0 ? "bench" : "%d", shape);
    snprintf(hint, sizeof hint,
             "where there is one, run: python3 harness/baseline/torch_baseline.py %s --shape %s -o "
             "torch.json; "
             "then --vs torch.json",
             s->path, number);
    ws_status st = WS_OK;
    if (!open_gpus(&pool, &failed)) {
        absent(out, n, "torch", failed.msg, hint);
    } else {
        const int fd = mkstemp(path);
        if (fd < 0) {
            st = ws_fail_errno(err, WS_EENV, "cannot make '%s'", path);
        } else {
            close(fd);
            if (run_torch(s, shape, ws_buf_z(&script), path, &said, &failed))
                absent(out, n, "torch", failed.msg, failed.hint);
            else
                st = vfy_baseline_read(path, s, &dims, gpu, out, n, err);
            unlink(path);
        }
    }
    dev_pool_close(pool);
    ws_buf_release(&script);
    ws_buf_release(&said);
    return st;
}
