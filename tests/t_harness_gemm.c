/* A GEMM as Hopper's are written, from CUDA source to the result, on the CPU driver: tensor maps, a
 * TMA ring with mbarriers, warp specialisation with setmaxnreg, wgmma, and a TMA store. Against
 * plain loops. */
#include "base/dtype.h"
#include "base/file.h"
#include "harness/driver.h"
#include "tests/ptx_run.h"

#include <math.h>

enum { M = 256, N = 384, K = 320, THREADS = 384, SHARED = 168 << 10 };

static uint16_t a[M][K], b[N][K];
static float c[M][N], want[M][N];

typedef struct kind {
    const char *name, *type;
    ptx_tm_type map;
    uint16_t (*encode)(double);
    double (*decode)(uint16_t);
} kind;

/* Whole numbers have exact sums; the others are good to what truncated sums of f32 leave. */
static void fill(const kind *k, bool whole)
{
    uint32_t x = 12345;
    for (int i = 0; i < M + N; i++)
        for (int j = 0; j < K; j++) {
            x = x * 1664525u + 1013904223u;
            double v = whole ? (double)(x >> 24) / 16 - 8 : (double)(x >> 8) / (1 << 23) - 1;
            *(i < M ? &a[i][j] : &b[i - M][j]) = k->encode(whole ? (double)(int)v : v);
        }
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++) {
            double sum = 0;
            for (int q = 0; q < K; q++)
                sum += k->decode(a[i][q]) * k->decode(b[j][q]);
            want[i][j] = (float)sum;
        }
}

static ptx_tensor_map map_of(ptx_tm_type t, uint64_t address, uint32_t columns, uint32_t rows,
                             uint32_t box, uint32_t box_rows, uint8_t swizzle)
{
    ptx_tensor_map m = {.rank = 2, .type = (uint8_t)t, .swizzle = swizzle, .step = {1, 1},
                        .address = address,
                        .last = {columns - 1, rows - 1},
                        .box = {(uint16_t)box, (uint16_t)box_rows}};
    m.stride[0] = (uint64_t)columns * ptx_tm_element_bytes(&m);
    return m;
}

static char *source_of(const kind *k)
{
    ws_buf text = {0}, all = {0};
    ws_err err = {0};
    if (ws_read_file("tests/cuda/gemm_wgmma.cu", 1 << 20, &text, &err))
        printf("# %s\n", err.msg);
    ws_buf_printf(&all, "#define T %s\n#define TYPE \"%s\"\n%s", k->name, k->type, ws_buf_z(&text));
    ws_buf_release(&text);
    return all.p;
}

static ws_status run(cu_device *d, const kind *k, const char *ptx, ptx_report *report, ws_err *err)
{
    struct {
        _Alignas(PTX_TM_ALIGN) uint8_t map[3][PTX_TM_BYTES];
        int32_t tiles;
    } params = {.tiles = K / 64};
    uint64_t at[3] = {0};
    cu_module *m = NULL;
    ws_status st = cu_module_load(d, ptx, strlen(ptx) + 1, &m, err);
    if (st || (st = cu_alloc(d, sizeof a, "a", &at[0], err)) ||
        (st = cu_alloc(d, sizeof b, "b", &at[1], err)) ||
        (st = cu_alloc(d, sizeof c, "c", &at[2], err)) ||
        (st = cu_upload(d, at[0], a, sizeof a, err)) ||
        (st = cu_upload(d, at[1], b, sizeof b, err)))
        return st;
    ptx_tensor_map maps[] = {map_of(k->map, at[0], K, M, 64, 128, PTX_TM_SWIZZLE_128),
                             map_of(k->map, at[1], K, N, 64, 128, PTX_TM_SWIZZLE_128),
                             map_of(PTX_TM_F32, at[2], N, M, 32, 128, PTX_TM_SWIZZLE_NONE)};
    for (int i = 0; i < 3 && !st; i++)
        st = cu_tensor_map(d, &maps[i], params.map[i], err);
    cu_launch_args l = {.kernel = "gemm",
                        .grid = {N / 128, M / 128, 1},
                        .block = {THREADS, 1, 1},
                        .shared_bytes = SHARED,
                        .params = &params,
                        .params_bytes = offsetof(__typeof__(params), tiles) + 4};
    st = st ? st : cu_launch(d, m, &l, err);
    st = st ? st : cu_synchronize(d, err);
    st = st ? st : cu_download(d, c, at[2], sizeof c, err);
    if (cu_is_engine(d))
        cu_engine_report(d, report);
    for (int i = 0; i < 3; i++)
        cu_free(d, at[i]);
    cu_module_unload(d, m);
    return st;
}

static void check(cu_device *d, const kind *k, bool whole, ptx_schedule schedule)
{
    ws_arena arena = {0};
    ws_err err = {0};
    ptx_report report = {0};
    int bad = 0;
    ptx_options o = PTX_OPTIONS_CHECKED;
    o.schedule = schedule;
    if (cu_is_engine(d))
        cu_engine_configure(d, &o);
    fill(k, whole);
    memset(c, 0, sizeof c);
    char *source = source_of(k);
    const char *ptx = run_compile(source, "sm_90a", &arena);
    ws_status st = ptx ? run(d, k, ptx, &report, &err) : WS_EINPUT;
    for (int i = 0; i < M && !st; i++)
        for (int j = 0; j < N; j++) {
            double error = fabs((double)c[i][j] - (double)want[i][j]);
            if (!(error <= (whole ? 0 : 1e-4)) && bad++ < 3)
                printf("# row %d column %d: %g, not %g\n", i, j, (double)c[i][j],
                       (double)want[i][j]);
        }
    if (!ok(!st && !bad, "%s GEMM of %s, schedule %d", k->type,
            whole ? "whole numbers" : "random numbers", (int)schedule))
        printf("# %s; %s\n", err.msg, report.n_faults ? report.fault[0].text : "no fault");
    free(source);
    ws_arena_release(&arena);
}

int main(void)
{
    static const kind kinds[] = {
        {"__half", "f16", PTX_TM_F16, ws_f16_from_f64, ws_f16_to_f64},
        {"__nv_bfloat16", "bf16", PTX_TM_BF16, ws_bf16_from_f64, ws_bf16_to_f64},
    };
    cu_device *d;
    ws_err err = {0};
    if (!ok(!cu_open("cpu", &d, &err), "the CPU driver opens%s%s", err.msg[0] ? ": " : "", err.msg))
        return tap_done();
    for (size_t k = 0; k < WS_COUNT(kinds); k++) {
        check(d, &kinds[k], true, PTX_SCHED_ROUND_ROBIN);
        check(d, &kinds[k], false, k ? PTX_SCHED_REVERSE : PTX_SCHED_RANDOM);
    }
    cu_close(d);
    if (run_service)
        comp_service_close(run_service);
    return tap_done();
}
