/* Arithmetic on counters for the question "what if": shared by the files of rules. */
#ifndef AGENT_EVIDENCE_WHAT_IF_H
#define AGENT_EVIDENCE_WHAT_IF_H

#include "agent/evidence/facts.h"

#include <math.h>

enum { WARP = 32, SECTOR = 32 };

static inline double d(uint64_t n)
{
    return (double)n;
}

/* 0 for what is no number: verdicts may come from files. */
static inline uint64_t as_count(double n)
{
    return n > 0 ? (n < 0x1p62 ? (uint64_t)n : (uint64_t)1 << 62) : 0;
}

static inline uint64_t scaled(uint64_t n, double by)
{
    return as_count(d(n) * by + 0.5);
}

/* Of a launch that was counted at a check shape; else 1. */
static inline double scale_of(const ev_launch *l)
{
    return l->counted.scale > 0 ? l->counted.scale : 1;
}

static inline double longest_part(const tim_launch_estimate *e)
{
    return fmax(fmax(fmax(e->compute_s, e->memory_s), fmax(e->l2_s, e->shared_s)), e->latency_s);
}

/* Sectors that would do for what the lanes ask for: at least one a request. */
static inline double ideal_sectors(uint64_t bytes, uint64_t requests)
{
    return fmax(d(bytes) / SECTOR, d(requests));
}

/* All instruction counters by a factor. */
void ev_scale_insns(ptx_counters *c, double by);
/* Takes warp instructions of one kind away; the counters of all instructions follow. */
void ev_drop_insns(ptx_counters *c, double warp_insns);

#endif
