#include "agent/evidence/measured.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

double ev_value(const ev_values *v, const char *key)
{
    for (int i = 0; i < v->n; i++)
        if (strcmp(v->key[i], key) == 0)
            return v->value[i];
    return (double)NAN;
}

/* `weight` of what was seen, NaN or 0 and less: nothing; the numbers into `text`. A tier that was
 * not measured gives NaN, which no comparison holds for. */
typedef double look_fn(const ev_values *v, char *text, size_t size);

static double look_loads(const ev_values *v, char *text, size_t size)
{
    const double ratio = ev_value(v, "load_sectors") / ev_value(v, "load_requests");
    snprintf(text, size, "%.1f sectors a request of global loads; 4 hold 4 bytes of each lane",
             ratio);
    return ratio > 8 ? (ratio - 4) / 28 : 0;
}

static double look_conflicts(const ev_values *v, char *text, size_t size)
{
    const double share = ev_value(v, "shared_conflicts") / ev_value(v, "shared_wavefronts");
    snprintf(text, size, "%.0f %% of the wavefronts of shared memory are bank conflicts",
             100 * share);
    return share > 0.25 ? share : 0;
}

static double look_local(const ev_values *v, char *text, size_t size)
{
    const double local = ev_value(v, "local_load_sectors"), global = ev_value(v, "load_sectors");
    snprintf(text, size, "%.3g sectors of local loads, global loads have %.3g", local, global);
    return local > 0 ? local / (local + global) : 0;
}

static double look_waiting(const ev_values *v, char *text, size_t size)
{
    const double stall = ev_value(v, "stall_memory"), ready = ev_value(v, "warps_eligible");
    snprintf(text, size, "%.1f warps wait for L2 or DRAM at each issue, %.2f are ready in a cycle",
             stall, ready);
    return stall > 2 && ready < 1 && !(ev_value(v, "dram_busy") > 85) ? 1 - ready : 0;
}

static double look_barriers(const ev_values *v, char *text, size_t size)
{
    const double stall = ev_value(v, "stall_barrier"), other = ev_value(v, "stall_memory");
    snprintf(text, size, "%.1f warps wait at a barrier at each issue, %.1f for memory", stall,
             other);
    return stall > 1 && stall > other ? stall / (stall + other) : 0;
}

static double look_lanes(const ev_values *v, char *text, size_t size)
{
    const double lanes = ev_value(v, "lanes_active");
    snprintf(text, size, "%.1f of 32 lanes work in an average instruction", lanes);
    return lanes < 24 ? 1 - lanes / 32 : 0;
}

static double look_again(const ev_values *v, char *text, size_t size)
{
    const double bytes = ev_value(v, "dram_read_bytes") + ev_value(v, "dram_written_bytes");
    const double ratio = v->min_bytes > 0 ? bytes / v->min_bytes : (double)NAN;
    snprintf(text, size, "%.3g bytes pass DRAM, %.2f times what the operation needs", bytes, ratio);
    return ratio > 1.2 ? 1 - 1 / ratio : 0;
}

static double look_tensor(const ev_values *v, char *text, size_t size)
{
    const double busy = ev_value(v, "tensor_busy");
    snprintf(text, size, "the tensor pipe is busy %.1f %% of the time", busy);
    return v->products && busy < 1 ? 0.9 : 0;
}

static double look_sms(const ev_values *v, char *text, size_t size)
{
    const double busy = ev_value(v, "sm_active");
    snprintf(text, size, "SMs have work %.0f %% of the time", busy);
    return busy < 70 ? 1 - busy / 100 : 0;
}

static double look_roof(const ev_values *v, char *text, size_t size)
{
    const double busy = ev_value(v, "dram_busy");
    snprintf(text, size, "DRAM is at %.0f %% of its peak", busy);
    return busy > 85 ? 0.01 : 0;
}

static const struct {
    const char *rule;
    look_fn *look;
    const char *action;
} rules[] = {
    {"uncoalesced-loads", look_loads,
     "let neighbouring lanes read neighbouring addresses; go through shared memory to turn a tile"},
    {"bank-conflicts", look_conflicts,
     "pad rows of the tile by one element, or swizzle its columns"},
    {"local-memory", look_local,
     "index arrays by constants (unroll), or keep fewer values alive in a thread: something spills "
     "or is "
     "indexed by a variable"},
    {"occupancy", look_waiting,
     "more loads in flight: several independent loads a thread before their use, wider ones, or "
     "more "
     "resident warps"},
    {"barriers", look_barriers,
     "fewer barriers, or less work between them that some warps do alone; double buffers need one "
     "each"},
    {"idle-lanes", look_lanes,
     "let lanes of a warp take the same way; move edge handling out of the loop"},
    {"re-reads", look_again,
     "keep what is used again in registers or shared memory, or order blocks so "
     "that neighbours share it in L2"},
    {"tensor-cores", look_tensor,
     "multiply with mma or wgmma: the products are of 16 bits and fewer"},
    {"few-blocks", look_sms, "more blocks, of more even work: SMs end early or never start"},
    {"at-the-roof", look_roof,
     "only fewer bytes help now: fuse with neighbours, or store narrower types"},
};

static int heavier(const void *a, const void *b)
{
    const ev_measured *x = a, *y = b;
    return (x->weight < y->weight) - (x->weight > y->weight);
}

int ev_measured_findings(const ev_values *v, ev_measured out[EV_MAX_MEASURED])
{
    int n = 0;
    for (size_t i = 0; i < WS_COUNT(rules) && n < EV_MAX_MEASURED; i++) {
        ev_measured x = {.rule = rules[i].rule, .action = rules[i].action};
        x.weight = rules[i].look(v, x.evidence, sizeof x.evidence);
        if (x.weight > 0)
            out[n++] = x;
    }
    qsort(out, (size_t)n, sizeof *out, heavier);
    return n;
}
