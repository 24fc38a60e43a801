/* What usually repairs a rejected kernel: a table of reasons, conditions and one sentence each. */
#include "agent/evidence/compile_log.h"
#include "agent/evidence/failure.h"

#include <math.h>
#include <string.h>

static bool contains(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

/* ---- what usually helps ---- */

static bool pattern_has(const ev_facts *f, const char *part)
{
    const cJSON *line;
    cJSON_ArrayForEach(
        line, ev_member(f, NULL, "pattern")) if (cJSON_IsString(line) &&
                                                 contains(line->valuestring, part)) return true;
    return false;
}

static bool about_values(const ev_facts *f)
{
    return f->reason == HX_WRONG_RESULT || f->reason == HX_CONSTANT_OUTPUT ||
           f->reason == HX_LOW_PRECISION;
}

static bool inputs_are(const ev_facts *f, const char *kind)
{
    return strcmp(ev_text(f, "case", "inputs"), kind) == 0;
}

static bool not_finite(const ev_facts *f)
{
    return !isfinite(ev_number(f, "case", "got"));
}

static bool overflows(const ev_facts *f)
{
    return about_values(f) && inputs_are(f, "large") && not_finite(f);
}

static bool only_large(const ev_facts *f)
{
    return about_values(f) && inputs_are(f, "large");
}

/* ---- what full verification alone found ---- */

static bool ignores_a_tensor(const ev_facts *f)
{
    return about_values(f) && strstr(ev_text(f, NULL, "text"), "is ignored: other values");
}

static bool leaks_nan(const ev_facts *f)
{
    return about_values(f) && inputs_are(f, "NaN and infinity");
}

static bool at_index_ends(const ev_facts *f)
{
    return about_values(f) && (inputs_are(f, "least index") || inputs_are(f, "greatest index") ||
                               inputs_are(f, "one index"));
}

static bool breaks_a_relation(const ev_facts *f)
{
    return about_values(f) && strstr(ev_text(f, NULL, "text"), "the relation ");
}

static bool only_by_range(const ev_facts *f)
{
    static const char *const kinds[] = {"mixed",    "heavy-tailed", "one spike a row", "wide range",
                                        "denormal", "cancelling",   "zero"};
    for (size_t i = 0; about_values(f) && i < WS_COUNT(kinds); i++)
        if (inputs_are(f, kinds[i]))
            return true;
    return false;
}

static bool only_negative(const ev_facts *f)
{
    return about_values(f) && inputs_are(f, "negative");
}

static bool zero_for_negative(const ev_facts *f)
{
    return about_values(f) && ev_number(f, "case", "got") == 0 && ev_number(f, "case", "want") < 0;
}

static bool not_a_number(const ev_facts *f)
{
    return about_values(f) && not_finite(f);
}

static bool other_choice(const ev_facts *f)
{
    return *ev_text(f, "case", "tunables") != 0;
}

static bool of_tensor_map(const ev_facts *f)
{
    return (f->reason == HX_PLAN_MISMATCH || f->reason == HX_INVALID_LAUNCH) &&
           contains(ev_text(f, NULL, "text"), "tensor map");
}

static bool no_proxy_fence(const ev_facts *f)
{
    return contains(ev_text(f, NULL, "text"), "fence.proxy.async");
}

static bool left_behind(const ev_facts *f)
{
    return contains(ev_text(f, NULL, "text"), "nobody waited for it at the mbarrier");
}

static bool store_left_behind(const ev_facts *f)
{
    return contains(ev_text(f, NULL, "text"), "exits without cp.async.bulk.wait_group");
}

static bool in_plan(const ev_facts *f)
{
    return f->reason == HX_PLAN_INVALID || f->reason == HX_PLAN_MISMATCH;
}

static bool transposed(const ev_facts *f)
{
    return pattern_has(f, "transposed places");
}

/* The survey of the check shapes tells the two kinds apart by an extent. */
static bool ragged(const ev_facts *f)
{
    return about_values(f) && contains(ev_text(f, NULL, "survey"), "is no multiple of");
}

static bool off_by_one(const ev_facts *f)
{
    return pattern_has(f, "off by one");
}

static bool factor(const ev_facts *f)
{
    return pattern_has(f, ": a factor");
}

static bool tail(const ev_facts *f)
{
    return pattern_has(f, ": the tail") || pattern_has(f, "wrong from there to its end");
}

static bool after_warp(const ev_facts *f)
{
    return pattern_has(f, "where a warp");
}

static bool residue(const ev_facts *f)
{
    return pattern_has(f, " modulo ");
}

static bool close_values(const ev_facts *f)
{
    return pattern_has(f, "they are near");
}

static bool past_the_end(const ev_facts *f)
{
    return f->reason == HX_OUT_OF_BOUNDS && ev_number(f, "fault", "buffer_offset_bytes") >= 0;
}

static bool before_begin(const ev_facts *f)
{
    return f->reason == HX_OUT_OF_BOUNDS && ev_number(f, "fault", "buffer_offset_bytes") < 0;
}

static bool wide_access(const ev_facts *f)
{
    return (f->reason == HX_MISALIGNED || f->reason == HX_OUT_OF_BOUNDS) &&
           contains(ev_text(f, "fault", "instruction"), ".v");
}

static bool shared_access(const ev_facts *f)
{
    return f->reason == HX_UNINITIALIZED_READ && !strcmp(ev_text(f, "fault", "space"), "shared");
}

static bool local_access(const ev_facts *f)
{
    return f->reason == HX_UNINITIALIZED_READ && !strcmp(ev_text(f, "fault", "space"), "local");
}

static bool in_one_warp(const ev_facts *f)
{
    const cJSON *a = ev_member(f, "place", "thread"), *b = ev_member(f, "fault", "other_thread");
    const cJSON *x = cJSON_GetArrayItem(a, 0), *y = cJSON_GetArrayItem(b, 0);
    return f->reason == HX_SHARED_RACE && x && y &&
           floor(x->valuedouble / 32) == floor(y->valuedouble / 32) &&
           cJSON_Compare(cJSON_GetArrayItem(a, 1), cJSON_GetArrayItem(b, 1), true) &&
           cJSON_Compare(cJSON_GetArrayItem(a, 2), cJSON_GetArrayItem(b, 2), true);
}

static bool async_copy(const ev_facts *f)
{
    const char *source = f->subject->candidate ? f->subject->candidate->source : NULL;
    bool race = f->reason == HX_SHARED_RACE || shared_access(f);
    return race && (cJSON_IsTrue(ev_member(f, "fault", "async")) ||
                    (source && (contains(source, "__pipeline_") || contains(source, "cp.async") ||
                                contains(source, "memcpy_async"))));
}

static bool last_block(const ev_facts *f)
{
    const char *source = f->subject->candidate ? f->subject->candidate->source : NULL;
    return f->reason == HX_GLOBAL_RACE && source && contains(source, "atomic") &&
           !contains(source, "__threadfence");
}

static bool text_has(const ev_facts *f, const char *part)
{
    return contains(ev_text(f, NULL, "text"), part);
}

static bool null_pointer(const ev_facts *f)
{
    return f->reason == HX_OUT_OF_BOUNDS && text_has(f, "null pointer");
}

static bool waits(const ev_facts *f)
{
    return f->reason == HX_ENDLESS && text_has(f, "waits for");
}

static bool bad_shuffle(const ev_facts *f)
{
    return about_values(f) && text_has(f, "the shuffle at line");
}

static bool offset(const ev_facts *f)
{
    return pattern_has(f, ": an offset");
}

static bool other_block(const ev_facts *f)
{
    return f->reason == HX_GLOBAL_RACE &&
           !cJSON_Compare(ev_member(f, "place", "block"), ev_member(f, "fault", "other_block"),
                          true);
}

static bool tells_where(const ev_facts *f)
{
    return f->reason == HX_FORBIDDEN_CONSTRUCT && text_has(f, "which tells");
}

static bool steers_cache(const ev_facts *f)
{
    return f->reason == HX_FORBIDDEN_CONSTRUCT && text_has(f, "L2");
}

/* The first row that holds is what is said. `when` NULL: the reason alone. */
static const struct {
    hx_reason reason; /* HX_REASON_COUNT: any that `when` accepts */
    bool (*when)(const ev_facts *f);
    const char *advice;
} hints[] = {
    {HX_NO_CODE, NULL,
     "answer with one ```cuda block that holds the whole source, the @plan comment first"},
    {HX_TRUNCATED, NULL,
     "the answer ended inside its code block: write a shorter source, explain in one sentence"},
    {HX_PLAN_MISSING, NULL,
     "begin the source with /* @plan { \"launch\": [ { \"kernel\": ..., \"grid\": [...], "
     "\"block\": [...], \"args\": [...] } ] } */"},
    {HX_REASON_COUNT, of_tensor_map,
     "a tensor map is declared const __grid_constant__ CUtensorMap; its dims, strides and box name the "
     "innermost dimension first, in elements; strides and offset are multiples of 16 bytes at every "
     "shape that require lets through, and the row of the box is one and no wider than the swizzle"},
    {HX_PLAN_MISMATCH, NULL,
     "args stand for the kernel's parameters in order: tensors and scratch for pointers, dims and "
     "tunables for int, number literals for float or double; kernels are extern \"C\" __global__"},
    {HX_REASON_COUNT, in_plan,
     "the plan is strict JSON; expressions are strings over dims and tunables with + - * / %, "
     "ceil_div, min, max, align, comparisons and ?:"},
    {HX_SHAPE_REFUSED, NULL,
     "the plan's require must hold at every shape that is checked or timed: take the condition out "
     "and handle the rest in the kernel, with a guard or a scalar path"},
    {HX_INVALID_LAUNCH, NULL,
     "at most 1024 threads a block, 48 KiB of static shared memory (more as extern __shared__ with "
     "the plan's \"shared\"), 65535 blocks along y and z, registers x threads at most 65536, and "
     "no block above its __launch_bounds__"},
    {HX_FORBIDDEN_INCLUDE, NULL,
     "only the CUDA device headers can be included (cuda_fp16.h, cuda_bf16.h, mma.h, "
     "cooperative_groups.h, cub/...); most names need no header at all"},
    {HX_REASON_COUNT, tells_where,
     "take that out: results and work follow from the inputs alone, on any machine at any time"},
    {HX_REASON_COUNT, steers_cache,
     "leave L2 policies out: plain loads, or createpolicy with evict_first or evict_normal"},
    {HX_FORBIDDEN_CONSTRUCT, NULL,
     "write device code only: the plan says what is launched with which grid; no main, no <<<>>>, "
     "no cudaMalloc"},
    {HX_COMPILE_LIMIT, NULL,
     "unroll less and use fewer templates: the compiler ran out of time or memory"},
    {HX_UNSUPPORTED, NULL,
     "use another instruction for this: the CPU engine cannot check the one named"},
    {HX_REASON_COUNT, null_pointer,
     "a pointer is null: pass buffers by the plan's args, since a __device__ pointer is never set "
     "by a host"},
    {HX_REASON_COUNT, no_proxy_fence,
     "every thread that writes the tile executes fence.proxy.async.shared::cta "
     "(cuda::ptx::fence_proxy_async) behind its stores, then __syncthreads(), then one thread starts the "
     "copy"},
    {HX_REASON_COUNT, left_behind,
     "start a copy only where a later step waits for it and uses it: guard the one that brings the next "
     "tile (if (t + 1 < tiles))"},
    {HX_REASON_COUNT, store_left_behind,
     "let the thread that committed the store wait before it exits: cp.async.bulk.wait_group.read 0"},
    {HX_REASON_COUNT, async_copy,
     "wait for the copy before its data is read (__pipeline_wait_prior or cp.async.wait_group), "
     "then __syncthreads(), because other threads' copies count too; and another barrier before "
     "the stage is overwritten"},
    {HX_REASON_COUNT, wide_access,
     "a vector access of 16 bytes needs an address that is a multiple of 16 and all of its "
     "elements: row r begins at r * N elements, so take it only where N is a multiple of 4 and use "
     "single elements otherwise"},
    {HX_REASON_COUNT, past_the_end,
     "the index is not limited by the extent: guard it (if (i < N)), also in the last block and in "
     "the last step of a loop; check that the row length is the one of this tensor"},
    {HX_REASON_COUNT, before_begin,
     "the index is negative here: clamp it or test it before the access; unsigned arithmetic below "
     "0 is a large number"},
    {HX_MISALIGNED, NULL,
     "read single elements where the address is not a multiple of the access's size"},
    {HX_REASON_COUNT, shared_access,
     "some thread must write this shared element before any reads it, with __syncthreads() "
     "between; when fewer elements than threads are filled, fill the rest with the neutral value "
     "(0, -INFINITY)"},
    {HX_REASON_COUNT, local_access,
     "a local array or variable is read before it is set: give it a value when it is declared"},
    {HX_UNINITIALIZED_READ, NULL,
     "scratch and outputs hold garbage before a run: a launch must write what a later one reads, "
     "and sums by atomics start from a launch that stores 0"},
    {HX_REASON_COUNT, in_one_warp,
     "put __syncthreads() between the two accesses; lanes of one warp are not in step by "
     "themselves either, and only where no other warp uses this memory __syncwarp() is enough"},
    {HX_SHARED_RACE, NULL,
     "put __syncthreads() between the two accesses: after filling a tile, and again before it is "
     "overwritten"},
    {HX_REASON_COUNT, last_block,
     "between blocks an atomic alone orders nothing: __threadfence() after the write and before "
     "the atomic that announces it, and again before the data is read; or combine in a second "
     "launch"},
    {HX_REASON_COUNT, other_block,
     "two blocks touch the same memory in no order: let each element belong to one block, pass "
     "data on by a second launch, or use atomics"},
    {HX_GLOBAL_RACE, NULL,
     "two threads touch the same element in no order: let each belong to one thread, use "
     "__syncthreads() within a block, atomics between blocks"},
    {HX_DIVERGENT_BARRIER, NULL,
     "every thread of the block must reach the same barrier: no return before it, and loops around "
     "it run equally often for all threads (test the index inside the loop); the mask of *_sync "
     "names lanes that take part"},
    {HX_DEADLOCK, NULL,
     "threads wait for something that never comes: blocks may run one after the other, so none may "
     "wait for a later one; all lanes named in a mask must arrive"},
    {HX_REASON_COUNT, waits,
     "the thread waits for memory that nobody changes: blocks may run one after the other and "
     "lanes of a warp may wait for each other, so no block may wait for a later one and no lane "
     "for one of its warp"},
    {HX_ENDLESS, NULL,
     "a loop does not end: look at the step and at the exit condition, also for one thread, one "
     "row and one element"},
    {HX_TRAP, NULL,
     "the kernel's own check fired: what it tests does happen, so guard the access instead"},
    {HX_ASSERT_FAILED, NULL,
     "the kernel's own check fired: what it tests does happen, so guard the access instead"},
    {HX_CRASH, NULL,
     "the process that ran the kernel died: less shared and local memory, no deep recursion"},
    {HX_ILLEGAL, NULL, "see the instruction named above for what it demands"},
    {HX_INPUT_MODIFIED, NULL,
     "inputs are read-only: write results to the outputs, intermediates to scratch"},
    {HX_NOT_WRITTEN, tail,
     "the end is not covered: the grid needs ceil_div(extent, tile), not extent / tile, and the "
     "kernel a guard"},
    {HX_NOT_WRITTEN, NULL,
     "every element of every output must be written, also where nothing was computed"},
    {HX_LOW_PRECISION, NULL,
     "the operation's precision is a requirement: sum and multiply in it; no half, bf16 or tf32 "
     "arithmetic where it says f32"},
    {HX_NONDETERMINISTIC, NULL,
     "the order of threads decides something that no atomic or flag makes known: addresses used as "
     "numbers, or accesses that meet without a barrier between them"},
    {HX_REASON_COUNT, ignores_a_tensor,
     "read every tensor that the operation has: its values are not those of its init for good"},
    {HX_REASON_COUNT, leaks_nan,
     "what one batch element holds must not reach another: no product with 0 in the place of a "
     "condition, and no sums over what lies beyond the row"},
    {HX_REASON_COUNT, at_index_ends,
     "the first and the last legal index, and one index many times, are legal values too"},
    {HX_REASON_COUNT, breaks_a_relation,
     "look for what depends on more than it should: a threshold or constant of fixed size, an "
     "index or a batch element that is treated apart, a value that is not read"},
    {HX_REASON_COUNT, only_by_range,
     "the usual inputs hide it: take no path, shift or scale that is chosen by a few elements, "
     "subtract the true maximum before exponentials, and drop no element for being small"},
    {HX_REASON_COUNT, overflows,
     "inputs are 64 times larger in this test and something overflows: subtract the maximum before "
     "exp, scale before squaring, and keep INFINITY - INFINITY from happening"},
    {HX_REASON_COUNT, zero_for_negative,
     "a maximum must start from -INFINITY, not 0 or FLT_MIN, also in padding lanes and unused "
     "shared slots"},
    {HX_REASON_COUNT, only_negative,
     "right on random inputs, wrong when all are negative: a start value of 0, a lost sign or a "
     "test > 0"},
    {HX_REASON_COUNT, bad_shuffle,
     "a shuffle reads a lane that does not take part: blocks of a multiple of 32 threads, all of "
     "them at the shuffle, with neutral values where there is no element"},
    {HX_REASON_COUNT, ragged,
     "what does not fill a vector, a warp or a tile goes wrong: after the loop over whole groups "
     "the rest needs one of its own, or the loop a guard for each element"},
    {HX_REASON_COUNT, not_a_number,
     "look for 0/0, INFINITY - INFINITY, the root or logarithm of a negative number, and a value "
     "that is read before it was set"},
    {HX_REASON_COUNT, transposed,
     "exchange the two indices of the store (or of the load): element [r][c] lies at r * columns + "
     "c"},
    {HX_REASON_COUNT, off_by_one,
     "an index is one too large or too small: compare the start of the loop and <= against < with "
     "the definition"},
    {HX_REASON_COUNT, factor,
     "a factor is missing or applied twice: the mean's 1/N, a scale, or a sum that counts each "
     "element more than once"},
    {HX_REASON_COUNT, offset,
     "the same amount is added everywhere: an accumulator that does not start at 0 (outputs and "
     "scratch hold garbage before a run, += and atomicAdd into them need a launch that stores 0 "
     "first), or a constant"},
    {HX_REASON_COUNT, tail,
     "the tail goes wrong: the last step of the loop, the last partial tile or the last block uses "
     "elements that are not there or leaves out some that are"},
    {HX_REASON_COUNT, after_warp,
     "something holds for one warp or one block only: a shuffle reduction covers 32 lanes, the "
     "warps' results must be combined through shared memory"},
    {HX_REASON_COUNT, residue,
     "one place of a vector or of an unrolled loop goes wrong: look at what happens to that lane"},
    {HX_REASON_COUNT, close_values,
     "the structure is right and a number is not: an epsilon, a constant with too few digits, an "
     "approximate function, a long sum in one float, or a sum that leaves out its last elements"},
    {HX_REASON_COUNT, only_large,
     "right on random inputs, wrong when they are 64 times larger: cancellation, saturation, or an "
     "approximation that holds for small arguments only"},
    {HX_REASON_COUNT, other_choice,
     "right with the first choice of the tunables, wrong with this one: something assumes the "
     "other value, such as a block size in a constant"},
    {HX_UNVERIFIED_PATH, NULL,
     "one path for all sizes: what the benchmark shape runs must also run, with the same work for "
     "each element, at a shape that is checked"},
    {HX_IDLE_LAUNCH, NULL,
     "take the launch out of the plan, or let its result reach an output at a shape that is "
     "checked"},
    {HX_STATE_KEPT, NULL,
     "__device__ variables keep their content from run to run: set counters back at the end of the "
     "run, or fill what you need in a launch of its own; nothing may be saved for the next run"},
    {HX_WRONG_ALGEBRA, NULL,
     "rounding plays no part in this: look for a factor that should be 1, a term too many or too "
     "few, a sign, or an index that hits a neighbour of the right element"},
    {HX_CONSTANT_OUTPUT, NULL, "the result does not depend on the inputs: compute the operation"},
    {HX_WRONG_RESULT, NULL,
     "follow the named element through the kernel by hand: which thread computes it, from which "
     "inputs"},
};

const char *ev_failure_advice(ev_facts *f)
{
    if (f->reason == HX_COMPILE_ERROR || f->reason == HX_PTXAS_ERROR)
        return ev_compile_advice(f);
    for (size_t i = 0; i < WS_COUNT(hints); i++)
        if ((hints[i].reason == f->reason || hints[i].reason == HX_REASON_COUNT) &&
            (!hints[i].when || hints[i].when(f)))
            return hints[i].advice;
    return "";
}
