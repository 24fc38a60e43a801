/* Accesses of blocks that ran on different workers: at the end of the launch, granule by granule. */
#include "harness/ptx/race.h"

static const ptx_shadow *find_shadow(const ptx_worker *k, const ptx_alloc *a)
{
    for (const struct ptx_gshadow *s = k->gshadow; s; s = s->next)
        if (s->alloc == a)
            return s->shadow;
    return NULL;
}

static bool conflict(u32 a, u32 b)
{
    return a && b && !race_both_strong(a, b);
}

/* false: a finding */
static bool compare(ptx_grid *grid, const ptx_alloc *al, u64 g, const ptx_shadow *a, const ptx_shadow *b)
{
    bool same = !((a->w_key[g] | b->w_key[g]) & KEY_STRONG) && a->w_value[g] == b->w_value[g];
    if (conflict(a->w_key[g], b->w_key[g]) && !same)
        race_report_between(grid, al, g, a, true, b, true);
    else if (conflict(a->w_key[g], b->r_key[g]))
        race_report_between(grid, al, g, a, true, b, false);
    else if (conflict(a->r_key[g], b->w_key[g]))
        race_report_between(grid, al, g, a, false, b, true);
    else
        return true;
    return false;
}

static void compare_shadows(ptx_grid *grid, const ptx_alloc *al, const ptx_shadow *a, const ptx_shadow *b)
{
    for (u64 chunk = 0; chunk * SHADOW_CHUNK < a->n; chunk++) {
        if (!a->touched[chunk] || !b->touched[chunk] || !((a->touched[chunk] | b->touched[chunk]) & 2))
            continue;
        u64 end = (chunk + 1) * SHADOW_CHUNK < a->n ? (chunk + 1) * SHADOW_CHUNK : a->n;
        for (u64 g = chunk * SHADOW_CHUNK; g < end; g++)
            if ((a->w_key[g] | b->w_key[g]) && !compare(grid, al, g, a, b))
                return;
    }
}

void race_merge(ptx_grid *g, ptx_worker *workers, int n)
{
    for (int i = 0; i < n; i++)
        for (const struct ptx_gshadow *s = workers[i].gshadow; s; s = s->next)
            for (int j = i + 1; j < n && s->shadow; j++) {
                const ptx_shadow *other = find_shadow(&workers[j], s->alloc);
                if (other)
                    compare_shadows(g, s->alloc, s->shadow, other);
            }
}
