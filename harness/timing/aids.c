#include "harness/timing/aids.h"

#include "base/mem.h"

#include <stdlib.h>

/* Of the first GPUs with nanosleep, and good on all later ones. */
const char tim_aids_ptx[] =
    ".version 7.0\n"
    ".target sm_70\n"
    ".address_size 64\n"
    /* n words of 16 bytes at `at`, exclusive-or'ed with `salt`. */
    ".visible .entry tim_dirty(.param .u64 p_at, .param .u64 p_n, .param .u32 p_salt)\n"
    "{\n"
    "    .reg .pred p;\n"
    "    .reg .b32 w<4>, salt, tid, block, threads, blocks;\n"
    "    .reg .b64 from, to, i, step, a;\n"
    "    ld.param.u64 from, [p_at];\n"
    "    ld.param.u64 to, [p_n];\n"
    "    ld.param.u32 salt, [p_salt];\n"
    "    cvta.to.global.u64 from, from;\n"
    "    mov.u32 tid, %tid.x;\n"
    "    mov.u32 block, %ctaid.x;\n"
    "    mov.u32 threads, %ntid.x;\n"
    "    mov.u32 blocks, %nctaid.x;\n"
    "    mul.wide.u32 i, block, threads;\n"
    "    cvt.u64.u32 a, tid;\n"
    "    add.u64 i, i, a;\n"
    "    mul.wide.u32 step, blocks, threads;\n"
    "next:\n"
    "    setp.ge.u64 p, i, to;\n"
    "    @p bra done;\n"
    "    shl.b64 a, i, 4;\n"
    "    add.u64 a, from, a;\n"
    "    ld.global.v4.u32 {w0, w1, w2, w3}, [a];\n"
    "    xor.b32 w0, w0, salt;\n"
    "    xor.b32 w1, w1, salt;\n"
    "    xor.b32 w2, w2, salt;\n"
    "    xor.b32 w3, w3, salt;\n"
    "    st.global.v4.u32 [a], {w0, w1, w2, w3};\n"
    "    add.u64 i, i, step;\n"
    "    bra next;\n"
    "done:\n"
    "    ret;\n"
    "}\n"
    /* Reads n words of 16 bytes; the store, which in practice never happens, keeps the loads. */
    ".visible .entry tim_read(.param .u64 p_at, .param .u64 p_n, .param .u64 p_sink)\n"
    "{\n"
    "    .reg .pred p;\n"
    "    .reg .b32 w<4>, all, tid, block, threads, blocks;\n"
    "    .reg .b64 from, to, i, step, a, sink;\n"
    "    ld.param.u64 from, [p_at];\n"
    "    ld.param.u64 to, [p_n];\n"
    "    ld.param.u64 sink, [p_sink];\n"
    "    cvta.to.global.u64 from, from;\n"
    "    cvta.to.global.u64 sink, sink;\n"
    "    mov.u32 tid, %tid.x;\n"
    "    mov.u32 block, %ctaid.x;\n"
    "    mov.u32 threads, %ntid.x;\n"
    "    mov.u32 blocks, %nctaid.x;\n"
    "    mul.wide.u32 i, block, threads;\n"
    "    cvt.u64.u32 a, tid;\n"
    "    add.u64 i, i, a;\n"
    "    mul.wide.u32 step, blocks, threads;\n"
    "    mov.u32 all, 0;\n"
    "next:\n"
    "    setp.ge.u64 p, i, to;\n"
    "    @p bra done;\n"
    "    shl.b64 a, i, 4;\n"
    "    add.u64 a, from, a;\n"
    "    ld.global.v4.u32 {w0, w1, w2, w3}, [a];\n"
    "    add.u32 all, all, w0;\n"
    "    add.u32 all, all, w1;\n"
    "    add.u32 all, all, w2;\n"
    "    add.u32 all, all, w3;\n"
    "    add.u64 i, i, step;\n"
    "    bra next;\n"
    "done:\n"
    "    setp.eq.u32 p, all, 0x9e3779b9;\n"
    "    @p st.global.u32 [sink], all;\n"
    "    ret;\n"
    "}\n"
    /* One thread. Waits until the word at `flag`, the host's, is not 0; after `most` ns it adds one
     * to the word at `late` and ends. */
    ".visible .entry tim_gate(.param .u64 p_flag, .param .u64 p_late, .param .u64 p_most)\n"
    "{\n"
    "    .reg .pred p;\n"
    "    .reg .b32 w;\n"
    "    .reg .b64 flag, late, most, start, now;\n"
    "    ld.param.u64 flag, [p_flag];\n"
    "    ld.param.u64 late, [p_late];\n"
    "    ld.param.u64 most, [p_most];\n"
    "    mov.u64 start, %globaltimer;\n"
    "wait:\n"
    "    ld.volatile.u32 w, [flag];\n"
    "    setp.ne.u32 p, w, 0;\n"
    "    @p bra open;\n"
    "    mov.u64 now, %globaltimer;\n"
    "    sub.u64 now, now, start;\n"
    "    setp.gt.u64 p, now, most;\n"
    "    @p bra over;\n"
    "    nanosleep.u32 200;\n"
    "    bra wait;\n"
    "over:\n"
    "    ld.u32 w, [late];\n"
    "    add.u32 w, w, 1;\n"
    "    st.u32 [late], w;\n"
    "open:\n"
    "    ret;\n"
    "}\n"
    /* One thread. From one tick of the timer to the first that is `least` ns later: ns and cycles.
     * Both ends are at a tick, so the timer's step does not matter. */
    ".visible .entry tim_probe(.param .u64 p_out, .param .u64 p_least)\n"
    "{\n"
    "    .reg .pred p;\n"
    "    .reg .b64 out, least, t0, t1, t2, c1, c2;\n"
    "    ld.param.u64 out, [p_out];\n"
    "    ld.param.u64 least, [p_least];\n"
    "    mov.u64 t0, %globaltimer;\n"
    "tick:\n"
    "    mov.u64 t1, %globaltimer;\n"
    "    setp.eq.u64 p, t1, t0;\n"
    "    @p bra tick;\n"
    "    mov.u64 c1, %clock64;\n"
    "    add.u64 least, least, t1;\n"
    "wait:\n"
    "    mov.u64 t2, %globaltimer;\n"
    "    setp.lt.u64 p, t2, least;\n"
    "    @p bra wait;\n"
    "    mov.u64 c2, %clock64;\n"
    "    sub.u64 t2, t2, t1;\n"
    "    sub.u64 c2, c2, c1;\n"
    "    st.u64 [out], t2;\n"
    "    st.u64 [out+8], c2;\n"
    "    ret;\n"
    "}\n";

enum { SWEEP_BLOCKS = 1024, SWEEP_THREADS = 256 };
static const uint64_t GATE_NS = 100000000, PROBE_NS = 20000;

struct tim_aids {
    cu_device *d;
    cu_module *module;
    cu_flag flag;
    uint64_t words;    /* device: late gates, then the sink of reads */
    uint64_t readings; /* device: ns and cycles of each probe */
    uint64_t memory;   /* device: two caches' worth to change, one to read */
    uint64_t cache;    /* bytes, a multiple of 16 */
    uint32_t salt;
};

ws_status tim_aids_open(cu_device *d, int64_t l2_bytes, tim_aids **out, ws_err *err)
{
    tim_aids *a = ws_calloc(1, sizeof *a);
    a->d = d;
    a->cache = ((uint64_t)(l2_bytes > 0 ? l2_bytes : 0) / 16 + 1) * 16;
    const size_t readings = AIDS_PROBES * 2 * sizeof(uint64_t);
    if (cu_module_load(d, tim_aids_ptx, sizeof tim_aids_ptx, &a->module, err) || cu_flag_new(d, &a->flag, err) ||
        cu_alloc(d, 8, "late gates", &a->words, err) || cu_fill(d, a->words, 0, 8, err) ||
        cu_alloc(d, readings, "clock readings", &a->readings, err) ||
        cu_fill(d, a->readings, 0, readings, err) ||
        cu_alloc(d, 3 * a->cache, "what empties the cache", &a->memory, err) ||
        cu_fill(d, a->memory, 0x5a, 3 * a->cache, err)) {
        tim_aids_close(a);
        return ws_wrap(err, "the kernels around what is timed");
    }
    *out = a;
    return WS_OK;
}

void tim_aids_close(tim_aids *a)
{
    if (!a)
        return;
    cu_free(a->d, a->memory);
    cu_free(a->d, a->readings);
    cu_free(a->d, a->words);
    cu_flag_free(a->d, &a->flag);
    cu_module_unload(a->d, a->module);
    free(a);
}

/* Parameters of all these kernels are 64 bits each, the last ones' high halves unread. */
static ws_status start(tim_aids *a, const char *kernel, uint32_t blocks, uint32_t threads,
                       const uint64_t *param, size_t bytes, ws_err *err)
{
    const cu_launch_args l = {.kernel = kernel,
                              .grid = {blocks, 1, 1},
                              .block = {threads, 1, 1},
                              .params = param,
                              .params_bytes = bytes};
    return cu_launch(a->d, a->module, &l, err);
}

ws_status tim_aids_hold(tim_aids *a, ws_err *err)
{
    const uint64_t param[] = {a->flag.device, a->words, GATE_NS};
    cu_flag_set(&a->flag, 0);
    return start(a, "tim_gate", 1, 1, param, sizeof param, err);
}

void tim_aids_release(tim_aids *a)
{
    cu_flag_set(&a->flag, 1);
}

ws_status tim_aids_late(tim_aids *a, uint32_t *out, ws_err *err)
{
    return cu_download(a->d, out, a->words, sizeof *out, err);
}

ws_status tim_aids_sweep(tim_aids *a, ws_err *err)
{
    a->salt = a->salt * 1664525 + 1013904223;
    const uint64_t dirty[] = {a->memory, 2 * a->cache / 16, a->salt};
    const uint64_t clean[] = {a->memory + 2 * a->cache, a->cache / 16, a->words + 4};
    if (cu_reset_persisting(a->d, err) ||
        start(a, "tim_dirty", SWEEP_BLOCKS, SWEEP_THREADS, dirty, 20, err))
        return err->status;
    return start(a, "tim_read", SWEEP_BLOCKS, SWEEP_THREADS, clean, sizeof clean, err);
}

ws_status tim_aids_probe(tim_aids *a, int i, ws_err *err)
{
    const uint64_t param[] = {a->readings + (uint64_t)i * 16, PROBE_NS};
    return start(a, "tim_probe", 1, 1, param, sizeof param, err);
}

ws_status tim_aids_hz(tim_aids *a, double hz[AIDS_PROBES], ws_err *err)
{
    uint64_t read[AIDS_PROBES][2];
    if (cu_download(a->d, read, a->readings, sizeof read, err))
        return err->status;
    for (int i = 0; i < AIDS_PROBES; i++)
        hz[i] = read[i][0] ? 1e9 * (double)read[i][1] / (double)read[i][0] : 0;
    return WS_OK;
}
