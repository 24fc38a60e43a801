/* Findings from what a launch holds and executes, beside twins that deserve none: registers and
 * spills, uneven blocks, lanes at shared memory, pieces of sectors, comparisons. */
#include "tests/evidence_fixture.h"

/* Products of f32 by tiles in shared memory. `fma` multiply-adds a thread's instruction, and
 * `waves` wavefronts of shared memory for 64 of them. */
static tim_launch product(int waves, int loads)
{
    uint64_t fma = 4096ull * 4096 * 4096 / 32, warps = 1024 * 8;
    tim_launch l = {
        .blocks = 1024, .threads_per_block = 256, .registers = 128, .shared_bytes = 16640};
    l.counters = (ptx_counters){.launches = 1,
                                .blocks = 1024,
                                .warps = warps,
                                .threads = warps * 32,
                                .warp_insns = fma * 6 / 5,
                                .thread_insns = fma * 6 / 5 * 32,
                                .f32 = fma,
                                .f32_fma_lanes = fma * 32,
                                .i32 = fma / 10,
                                .mem_insns = fma * (uint64_t)loads / 64,
                                .shared_requests = fma * (uint64_t)loads / 64,
                                .shared_wavefronts = fma * (uint64_t)waves / 64,
                                .barrier_waits = warps * 2,
                                .max_warp_insns = fma * 6 / 5 / warps};
    return l;
}

static void begin_product(fixture *f, const char *source)
{
    static const char text[] =
        "{\"schema\":1,\"name\":\"m\",\"dims\":{\"M\":4096},\"check\":[{\"M\":3}],\"inputs\":["
        "{\"name\":\"a\",\"dtype\":\"f32\",\"shape\":[\"M\",\"M\"]},{\"name\":\"b\",\"dtype\":"
        "\"f32\",\"shape\":[\"M\",\"M\"]}],\"graph\":[{\"out\":\"c\",\"op\":\"matmul\",\"in\":["
        "\"a\",\"b\"]}],\"outputs\":[\"c\"],\"precision\":\"f32\"}";
    begin(f);
    spec_free(f->s);
    f->s = spec_of(text);
    f->c.source = source;
}

/* 8x8 outputs a thread by 16-byte loads are 16 wavefronts for 64 multiply-adds, as long as the
 * arithmetic; with one operand uniform in a warp they are 10. */
static void test_lane_layout(void)
{
    static const struct {
        int waves;
        bool found;
        const char *what;
    } at[] = {{16, true, "shared memory as long as the arithmetic is told"},
              {10, false, "nothing to say of the layout that is advised"}};
    for (size_t i = 0; i < WS_COUNT(at); i++) {
        fixture f;
        begin_product(&f, "float4");
        tim_launch l = product(at[i].waves, 4);
        model(&f, &l, 1);
        findings_subject s = subject(&f);
        cJSON *o = findings_json(&s);
        is_int(find(o, "register-tile") != NULL, at[i].found, at[i].what);
        if (at[i].found) {
            has_str(evidence(find(o, "register-tile")), "0.25 wavefronts for each multiply-add",
                    "16 / 64");
            /* 2 x 4096^3 flops at 66.9 TFLOP/s */
            has_str(evidence(find(o, "register-tile")), "the multiply-adds alone 2.05 ms",
                    "and what they take by themselves");
            tim_launch_estimate now, then;
            tim_launch fixed = product(10, 4);
            tim_model_launch(tim_gpu_find("h100"), &l, &now);
            tim_model_launch(tim_gpu_find("h100"), &fixed, &then);
            is_close(gain(find(o, "register-tile")), now.seconds - then.seconds, 1e-3 * now.seconds,
                     "the gain is that of the other layout");
        }
        ok(!strstr(action(o, "instructions"), "take several neighbouring elements"),
           "a kernel that is five sixths arithmetic is not told to take several elements");
        /* The half of a tenth of the instructions, at most */
        ok(!find(o, "instructions") || gain(find(o, "instructions")) < 0.06 * f.v.model.seconds,
           "and to gain no more than the rest can give");
        cJSON_Delete(o);
        end(&f);
    }
}

/* A kernel whose warps wait, 2 blocks of 128 threads on an SM. */
static void occupied(int registers, int shared, int spill, const char *source, const char *wanted,
                     const char *not_wanted, const char *what)
{
    fixture f;
    begin_product(&f, source);
    tim_launch l = product(4, 4);
    l.threads_per_block = 128;
    l.registers = registers;
    l.shared_bytes = shared;
    l.counters.global_ld_requests = l.counters.global_ld_sectors = l.counters.warp_insns / 50;
    l.counters.unique_ld_sectors = l.counters.global_ld_sectors;
    model(&f, &l, 1);
    f.v.launch[0].spill_bytes = spill;
    findings_subject s = subject(&f);
    cJSON *o = findings_json(&s);
    has_str(action(o, "occupancy"), wanted, what);
    ok(!*not_wanted || !strstr(action(o, "occupancy"), not_wanted), "without '%s'", not_wanted);
    /* 8192 warps in 3.9 waves of what fits: the machine has no room for more */
    ok(!find(o, "serial-threads"), "a machine full of few warps is not told to start more");
    is_int(find(o, "spills") != NULL, spill >= 16, "spills are told when there are some");
    cJSON_Delete(o);
    end(&f);
}

/* 65536 registers and 228 KiB of shared memory an SM; three blocks of 128 threads leave each 168
 * registers (65536 / 384 in steps of 8) and 76 KiB - 1 KiB. */
static void test_occupancy(void)
{
    occupied(249, 32768, 0, "",
             "249 registers a thread allow 2 blocks; 3 need at most 168 registers", "shared memory",
             "registers alone");
    occupied(249, 103424, 0, "", "shared memory allows 2: 3 need at most 76.8 kB", "",
             "both limits are named, the registers");
    occupied(128, 103424, 0, "", "shared memory allows 2", "registers a thread",
             "shared memory alone");
    occupied(249, 32768, 120, "", "120 bytes spill already", "__launch_bounds__",
             "no launch bound where registers spill");
}

static void test_spills(void)
{
    static const struct {
        const char *source, *wanted;
        int registers;
    } at[] = {{"__launch_bounds__(256, 3)", "drop the second number of __launch_bounds__", 80},
              {"__launch_bounds__(256)", "all 255 registers", 255},
              {"", "smaller blocks than 256 threads", 64}};
    for (size_t i = 0; i < WS_COUNT(at); i++) {
        fixture f;
        begin_product(&f, at[i].source);
        tim_launch l = product(4, 4);
        l.registers = at[i].registers;
        model(&f, &l, 1);
        f.v.launch[0].spill_bytes = 120;
        char *text = write(&f);
        has_str(text,
                "spills, which the modelled time leaves out\n   seen: registers spill: the "
                "compiled code has 120 bytes",
                "a finding, without a gain that nobody counted");
        has_str(text, at[i].wanted, "what to do of it");
        free(text);
        end(&f);
    }
}

/* Two stores of 16 bytes a lane, 32 bytes apart: half of each sector each; against single elements
 * far apart. */
static void test_store_pieces(void)
{
    fixture f;
    begin(&f);
    tim_launch l = stream(131072, 4.0 * 4096 * 8192);
    l.counters.global_st_requests /= 4;
    l.counters.global_st_sectors = 32 * l.counters.global_st_requests;
    model(&f, &l, 1);
    findings_subject s = subject(&f);
    cJSON *o = findings_json(&s);
    has_str(evidence(find(o, "uncoalesced-stores")),
            "32.0 sectors of 32 bytes on average where 16.0 hold the 512 bytes that its lanes ask "
            "for; 268 MB move for 134 MB used, in L1 and L2",
            "pieces of sectors");
    has_str(action(o, "uncoalesced-stores"), "lane k takes vector k, then k + 32", "what to do");
    cJSON_Delete(o);
    l = stream(131072, 4.0 * 4096 * 8192); /* a column: the rest of each sector is never written */
    l.counters.global_st_sectors = l.counters.unique_st_sectors =
        32 * l.counters.global_st_requests;
    model(&f, &l, 1);
    s = subject(&f);
    o = findings_json(&s);
    has_str(action(o, "uncoalesced-stores"), "let threadIdx.x run along the innermost axis",
            "another fault, another action");
    cJSON_Delete(o);
    end(&f);
}

/* Maxima are the work of this operation, not its bookkeeping: up to 3 comparisons for each element.
 */
static void test_own_compares(void)
{
    static const char text[] =
        "{\"schema\":1,\"name\":\"p\",\"dims\":{\"B\":4096,\"N\":8192},\"check\":[{\"B\":1,"
        "\"N\":1}],\"inputs\":[{\"name\":\"x\",\"dtype\":\"f32\",\"shape\":[\"B\",\"N\"]}],"
        "\"graph\":[{\"out\":\"y\",\"op\":\"reduce\",\"fn\":\"max\",\"dims\":[1],\"in\":[\"x\"]}],"
        "\"outputs\":[\"y\"]}";
    for (int own = 0; own < 2; own++) {
        fixture f;
        begin(&f);
        spec_free(f.s);
        f.s = spec_of(text);
        /* Little to move, so that instructions decide: 10 for each element of a lane, of which 3
         * are integers, and 3 comparisons or integers too. */
        tim_launch l = stream(131072, 4.0 * 4096 * 1024);
        uint64_t each = 4096 * 8192 / 32;
        l.counters.f32 = 0;
        l.counters.warp_insns = 10 * each;
        l.counters.thread_insns = 320 * each;
        l.counters.i32 = own ? 3 * each : 6 * each;
        l.counters.cmp_sel = own ? 3 * each : 0;
        l.counters.max_warp_insns = 10 * each / l.counters.warps;
        model(&f, &l, 1);
        findings_subject s = subject(&f);
        cJSON *o = findings_json(&s);
        is_int(find(o, "index-arithmetic") != NULL, !own,
               own ? "comparisons of a maximum are no index arithmetic" : "but integers are");
        cJSON_Delete(o);
        end(&f);
    }
}

/* A triangle: blocks from 1000 to 15000 instructions, 8000 on average; against nearly equal ones.
 */
static void test_uneven_blocks(void)
{
    for (int even = 0; even < 2; even++) {
        fixture f;
        begin_product(&f, "");
        tim_launch l = product(4, 4);
        l.counters.blocks_run = 9;
        double mean = (double)l.counters.warp_insns / 1024;
        l.counters.min_block_warp_insns = (uint64_t)(even ? 0.9 * mean : mean / 8);
        l.counters.max_block_warp_insns = (uint64_t)(even ? 1.1 * mean : 15 * mean / 8);
        l.uneven = even ? 1.1 : 15.0 / 8;
        l.counters.max_warp_insns = (uint64_t)((double)l.counters.max_warp_insns * l.uneven);
        model(&f, &l, 1);
        findings_subject s = subject(&f);
        cJSON *o = findings_json(&s);
        is_int(find(o, "uneven-blocks") != NULL, !even, even ? "equal blocks" : "uneven blocks");
        if (!even) {
            tim_launch fixed = product(4, 4);
            tim_launch_estimate now, then;
            tim_model_launch(tim_gpu_find("h100"), &l, &now);
            tim_model_launch(tim_gpu_find("h100"), &fixed, &then);
            is_close(gain(find(o, "uneven-blocks")), now.seconds - then.seconds, 1e-3 * now.seconds,
                     "the gain is that of equal blocks");
            /* 2576980377 warp instructions of 1024 blocks */
            has_str(evidence(find(o, "uneven-blocks")),
                    "315 thousand to 4.7 million warp instructions in a block, 2.5 million on "
                    "average",
                    "least, most and mean");
            ok(!find(o, "imbalance"), "the same fault is not told twice");
        }
        cJSON_Delete(o);
        end(&f);
    }
}

/* The graph counts what is masked; a kernel that leaves it out is below, and is told what it could
 * still gain. */
static void test_below_the_floor(void)
{
    fixture f;
    begin(&f);
    tim_launch l = stream(131072, 4.0 * 4096 * 8192);
    l.counters.global_ld_sectors *= 8;
    model(&f, &l, 1);
    f.v.model.written_s = 2 * f.v.model.seconds;
    char *text = write(&f);
    has_str(text, "the graph as written takes at least", "whose floor it is");
    has_str(text, "this kernel takes less", "that it is below");
    has_str(text, "1. uncoalesced-loads, up to ", "and still what is wrong with the launch");
    ok(!strstr(text, "Near the roof"), "it is not near a roof that it is above");
    free(text);
    end(&f);
}

static void test_bound_words(void)
{
    fixture f;
    begin_product(&f, "");
    tim_launch l = product(4, 4);
    l.registers = 64;
    model(&f, &l, 1);
    is_str(f.v.model.bound, "compute", "the model's word");
    char *text = write(&f);
    has_str(text, "bound by instructions;", "of the kernel");
    has_str(text, "bound by instructions (", "and of its launch the same");
    free(text);
    end(&f);
}

int main(void)
{
    test_lane_layout();
    test_occupancy();
    test_spills();
    test_store_pieces();
    test_own_compares();
    test_uneven_blocks();
    test_below_the_floor();
    test_bound_words();
    return tap_done();
}
