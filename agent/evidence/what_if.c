#include "agent/evidence/what_if.h"

void ev_scale_insns(ptx_counters *c, double by)
{
    uint64_t *const field[] = {&c->warp_insns,
                               &c->f32,
                               &c->f64,
                               &c->f16,
                               &c->i32,
                               &c->imul,
                               &c->sfu,
                               &c->cvt,
                               &c->cmp_sel,
                               &c->branch,
                               &c->max_warp_insns,
                               &c->max_block_warp_insns};
    for (size_t k = 0; k < sizeof field / sizeof *field; k++)
        *field[k] = scaled(*field[k], by);
}

void ev_drop_insns(ptx_counters *c, double warp_insns)
{
    double left = fmax(1 - warp_insns / fmax(d(c->warp_insns), 1), 0.05);
    c->warp_insns = scaled(c->warp_insns, left);
    c->max_warp_insns = scaled(c->max_warp_insns, left);
    c->max_block_warp_insns = scaled(c->max_block_warp_insns, left);
}
