/* The cost model: hand-computed cases, and that more work or less hardware never makes a launch
 * faster. */
#include "base/philox.h"
#include "harness/timing/model.h"
#include "tests/tap.h"

#include <stddef.h>

/* y[i] = a[i] + b[i] over n f32 elements, one thread each, 256 threads a block. */
static tim_launch vector_add(uint64_t n)
{
    uint64_t warps = n / 32;
    tim_launch l = {.blocks = n / 256, .threads_per_block = 256, .registers = 16};
    l.counters = (ptx_counters){
        .launches = 1, .blocks = l.blocks, .warps = warps, .threads = n,
        .warp_insns = 16 * warps, .thread_insns = 16 * n, .f32 = warps, .i32 = 6 * warps,
        .global_ld_requests = 2 * warps, .global_st_requests = warps,
        .global_ld_sectors = 8 * warps, .global_st_sectors = 4 * warps,
        .unique_ld_sectors = 8 * warps, .unique_st_sectors = 4 * warps,
        .max_block_warp_insns = 128, .max_warp_insns = 16,
    };
    return l;
}

static tim_estimate model(const char *gpu, const tim_launch *l, int n, double flops, double bytes)
{
    tim_estimate e;
    tim_model(tim_gpu_find(gpu), l, n, flops, bytes, &e);
    return e;
}

static void table(void)
{
    static const char *const wanted[] = {"a100", "h100", "h100-pcie", "h200", "b200", "l4",
                                         "l40s", "t4", "rtx4090", "a10g", "v100"};
    int n;
    const tim_gpu *g = tim_gpu_list(&n);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        ok(tim_gpu_find(wanted[i]) != NULL, "%s is known", wanted[i]);
    ok(!tim_gpu_find("h101") && !tim_gpu_find(NULL), "an unknown GPU is NULL");
    bool sane = true;
    for (int i = 0; i < n; i++) {
        double cores = g[i].f32_flops / (2 * g[i].clock_hz * g[i].sms);
        bool good = cores > 60 && cores < 132 && g[i].tensor_f16_flops > g[i].f16_flops * 1.5 &&
                    g[i].l2_bytes_per_s > g[i].dram_bytes_per_s && g[i].launch_s > 0 &&
                    g[i].shared_per_block <= g[i].shared_per_sm &&
                    (!g[i].tensor_tf32_flops ||
                     fabs(g[i].tensor_tf32_flops * 2 / g[i].tensor_f16_flops - 1) < 0.02) &&
                    (!g[i].tensor_f8_flops ||
                     fabs(g[i].tensor_f8_flops / 2 / g[i].tensor_f16_flops - 1) < 0.02) &&
                    (!g[i].tensor_f4_flops ||
                     fabs(g[i].tensor_f4_flops / 2 / g[i].tensor_f8_flops - 1) < 0.02) &&
                    (!g[i].tensor_i8_ops || g[i].tensor_i8_ops > 1.9 * g[i].tensor_f16_flops);
        if (!good)
            printf("# %s: %.1f f32 units a SM\n", g[i].name, cores);
        sane &= good;
    }
    ok(sane, "peaks agree with SMs x clock x 64 or 128 units, and with each other");
}

static void known_cases(void)
{
    tim_launch l = vector_add(1 << 24);
    double bytes = 3.0 * 4 * (1 << 24);
    tim_estimate e = model("h100", &l, 1, 1 << 24, bytes);
    is_str(e.bound, "dram", "vector add is bound by DRAM");
    is_close(e.memory_s, bytes / (0.9 * 3350e9), 1e-9,
             "its DRAM time is bytes over 0.9 of the peak");
    ok(e.seconds >= e.memory_s + 2e-6 && e.seconds < 1.05 * e.memory_s + 2e-6,
       "the estimate is about the largest part, and the launch");
    is_close(e.floor_s, bytes / 3350e9, 1e-12, "its floor is bytes over the peak");
    is_close(e.occupancy, 1, 0, "256 threads with 16 registers fill the SM");

    l = vector_add(256);
    is_str(model("h100", &l, 1, 256, 3072).bound, "launch", "one block is bound by the launch");

    l = vector_add(1 << 20);
    l.counters.warp_insns *= 500;
    l.counters.f32 = l.counters.warp_insns;
    l.counters.max_warp_insns *= 500;
    e = model("h100", &l, 1, 0, 0);
    is_str(e.bound, "compute", "8000 f32 instructions an element are bound by compute");
    is_close(e.compute_s, 32768.0 * 8000 * 32 / 128 / 1.98e9 * (ceil(4096 / 132.0) / 4096), 1e-9,
             "its time is lanes over 128 a clock on the SM with the most blocks");

    l.counters.shared_requests = l.counters.warp_insns / 2;
    l.counters.shared_wavefronts = 32 * l.counters.shared_requests;
    is_str(model("h100", &l, 1, 0, 0).bound, "shared", "32-way bank conflicts are bound by shared");

    l = vector_add(1 << 20);
    l.counters.global_ld_requests *= 1000;
    is_str(model("h100", &l, 1, 0, 0).bound, "latency",
           "long chains of loads are bound by latency");
    l.counters.global_ld_requests *= 0;
    l.counters.global_st_requests = l.counters.warps * 1000;
    is_str(model("h100", &l, 1, 0, 0).bound, "l1", "many small global requests are bound by L1");

    l = vector_add(128);
    l.blocks = l.counters.blocks = 1;
    l.counters.max_warp_insns = 100000;
    l.counters.warp_insns = 100000;
    is_str(model("h100", &l, 1, 0, 0).bound, "latency", "one long warp is bound by latency");
}

static void occupancy(void)
{
    tim_launch l = vector_add(1 << 20);
    l.registers = 128;
    is_close(model("h100", &l, 1, 0, 0).occupancy, 0.25, 0, "128 registers leave 16 of 64 warps");
    l.registers = 32;
    l.shared_bytes = 100 * 1024;
    is_close(model("h100", &l, 1, 0, 0).occupancy, 0.25, 0,
             "100 KiB a block leave 2 blocks of 8 warps");
    l.shared_bytes = 227 * 1024;
    is_close(model("h100", &l, 1, 0, 0).occupancy, 0.125, 0, "227 KiB leave one block");
    l.shared_bytes = 0;
    l.registers = 0;
    is_close(model("h100", &l, 1, 0, 0).occupancy, 1, 0, "unknown registers count as 32");
    l.threads_per_block = 1024;
    l.registers = 255;
    ok(model("h100", &l, 1, 0, 0).occupancy > 0,
       "a block that cannot be resident still gives a number");
}

static void tails_and_scale(void)
{
    tim_launch l = vector_add(132 * 256);
    l.counters.warp_insns *= 1000;
    tim_launch one_more = l;
    one_more.blocks = 133;
    one_more.scale = 133.0 / 132;
    double full = model("h100", &l, 1, 0, 0).compute_s;
    is_close(model("h100", &one_more, 1, 0, 0).compute_s / full, 2, 1e-9,
             "one block more than there are SMs doubles the compute time");

    tim_launch small = vector_add(1 << 14), big = vector_add(1 << 24);
    small.blocks = big.blocks;
    small.scale = 1024;
    tim_estimate a = model("a100", &small, 1, 0, 0), b = model("a100", &big, 1, 0, 0);
    is_close(a.memory_s / b.memory_s, 1, 1e-9,
             "scaled counts give the time of the real ones: dram");
    is_close(a.compute_s / b.compute_s, 1, 1e-9, "compute");
    is_close(a.latency_s / b.latency_s, 1, 1e-9, "latency");

    tim_launch two[2] = {big, big};
    is_close(model("a100", two, 2, 0, 0).seconds, 2 * b.seconds, 1e-12, "launches add up");
    tim_estimate none = model("a100", NULL, 0, 0, 0);
    is_close(none.seconds, 0, 0, "no launch takes no time");
}

static void floors(void)
{
    tim_launch l = vector_add(1024);
    tim_estimate e = model("h100", &l, 1, 66.9e12, 3.35e9);
    is_close(e.written_s, 1, 1e-9, "the f32 roofline is flops over the f32 peak");
    ok(e.seconds < 0.01, "operations that the kernel does not execute take no time");
    is_close(e.floor_s, 1e-3, 1e-9, "then they are no floor: that is the time of the bytes");
    ok(e.seconds >= e.floor_s, "no estimate is below it");
    is_str(e.bound, "dram", "and the bound says so");
    l.counters.tensor_flops = 1;
    is_close(model("h100", &l, 1, 989.4e12, 0).written_s, 1, 1e-9,
             "tensor instructions raise the peak");
    l.counters.tensor_flops = 0;
    l.counters.f64 = 1;
    l.counters.f32 = 0;
    is_close(model("h100", &l, 1, 33.5e12, 0).written_s, 1, 1e-9, "f64 alone lowers it");
    l = vector_add(1 << 20);
    l.counters.warp_insns *= 500;
    l.counters.f32 = l.counters.warp_insns;
    e = model("h100", &l, 1, 66.9e12 * 1e-6, 0);
    is_close(e.floor_s, 1e-6, 1e-12, "a roofline below the estimate is the floor");
}

/* Four blocks a SM, the longest of twice the work of an average one. */
static void uneven_blocks(void)
{
    tim_launch even = vector_add(132 * 4 * 256), uneven;
    even.registers = 255; /* one block at a time on a SM */
    even.counters.warp_insns *= 1000;
    even.counters.max_warp_insns *= 1000;
    uneven = even;
    uneven.uneven = 2;
    uneven.counters.max_warp_insns *= 2;
    tim_launch_estimate e, u;
    tim_model_launch(tim_gpu_find("h100"), &even, &e);
    tim_model_launch(tim_gpu_find("h100"), &uneven, &u);
    is_close(e.waves, 4, 0, "the blocks make four waves");
    is_close(u.compute_s / e.compute_s, 5.0 / 4, 1e-9,
             "three average blocks and one of twice the work make five");
    is_close(u.latency_s / e.latency_s, 5.0 / 4, 1e-9, "and so does the path through them");
    is_close(u.memory_s / e.memory_s, 1, 1e-9, "DRAM is shared by all");
    uneven.uneven = 0; /* the long warp is in every block */
    tim_model_launch(tim_gpu_find("h100"), &uneven, &u);
    is_close(u.latency_s / e.latency_s, 2, 1e-9, "a long warp in each block is long in every wave");
    is_close(u.compute_s / e.compute_s, 1, 1e-9, "without more work");
}

static void grid_barriers(void)
{
    tim_launch none = vector_add(1 << 20), two = none;
    two.counters.grid_arrivals = 2 * two.counters.blocks;
    double cost = model("h100", &two, 1, 0, 0).seconds - model("h100", &none, 1, 0, 0).seconds;
    ok(cost > 2e-6 && cost < 6e-6, "two grid-wide barriers cost some microseconds");
    two.blocks *= 2;
    two.scale = 2;
    two.counters.grid_arrivals /= 2;
    tim_launch_estimate e;
    tim_model_launch(tim_gpu_find("h100"), &two, &e);
    is_close(e.sync_s, cost / 2, 1e-9, "one costs half of that, however large the grid");
}

/* Random counters; each doubled in turn must not lower the estimate. */
static void monotone(void)
{
    static const struct {
        const char *name;
        size_t at;
    } field[] = {
#define F(f) {#f, offsetof(ptx_counters, f)}
        F(warp_insns), F(f32), F(f64), F(f16), F(i32), F(imul), F(sfu), F(cvt), F(cmp_sel),
        F(tensor_flops), F(shuffle_vote), F(barrier_waits), F(global_ld_requests),
        F(global_st_requests), F(global_ld_sectors), F(global_st_sectors), F(global_atomic_lanes),
        F(global_atomic_requests), F(unique_ld_sectors), F(unique_st_sectors), F(shared_requests),
        F(shared_wavefronts), F(shared_atomic_lanes), F(local_requests), F(max_warp_insns),
#undef F
    };
    int broken = 0, cases = 0;
    for (uint64_t seed = 0; seed < 200; seed++) {
        int n_gpus;
        const tim_gpu *g = tim_gpu_list(&n_gpus);
        g += seed % (uint64_t)n_gpus;
        tim_launch l = vector_add(256 << ws_philox_u64(1, 0, seed) % 16);
        for (size_t f = 0; f < sizeof field / sizeof *field; f++) {
            uint64_t *v = (uint64_t *)(void *)((char *)&l.counters + field[f].at);
            *v = (*v + 1) << ws_philox_u64(1, f + 1, seed) % 12;
        }
        l.registers = (int)(ws_philox_u64(1, 99, seed) % 200) + 16;
        tim_estimate before, after;
        tim_launch filling = l;
        filling.registers = 0;
        filling.shared_bytes = 0;
        tim_model(g, &filling, 1, 0, 0, &after);
        tim_model(g, &l, 1, 0, 0, &before);
        cases++;
        broken += !(after.seconds <= before.seconds); /* a lower bound: assemble_below */
        for (size_t f = 0; f < sizeof field / sizeof *field; f++) {
            tim_launch m = l;
            uint64_t *v = (uint64_t *)(void *)((char *)&m.counters + field[f].at);
            *v *= 2;
            if (field[f].at == offsetof(ptx_counters, warp_insns)) /* not only better balanced */
                m.counters.max_warp_insns *= 2;
            tim_model(g, &m, 1, 0, 0, &after);
            cases++;
            /* More loaded sectors at the same distinct ones are warmer, and waits get shorter. */
            bool warmer = offsetof(ptx_counters, global_ld_sectors) == field[f].at;
            /* Atomics on more sectors wait less for each other. */
            bool apart = offsetof(ptx_counters, unique_st_sectors) == field[f].at;
            if (!(warmer  ? after.l2_s >= before.l2_s
                  : apart ? after.memory_s >= before.memory_s
                          : after.seconds >= before.seconds)) {
                printf("# %s on %s: %g before, %g after\n", field[f].name, g->name, before.seconds,
                       after.seconds);
                broken++;
            }
        }
        tim_gpu slow = *g;
        slow.dram_bytes_per_s /= 2;
        slow.l2_bytes_per_s /= 2;
        slow.clock_hz /= 2;
        tim_model(&slow, &l, 1, 0, 0, &after);
        cases++;
        broken += !(after.seconds >= before.seconds);
    }
    printf("# %d comparisons\n", cases);
    is_int(broken, 0, "more work or a slower GPU is never faster");
}

int main(void)
{
    table();
    known_cases();
    occupancy();
    tails_and_scale();
    floors();
    uneven_blocks();
    grid_barriers();
    monotone();
    return tap_done();
}
