/* Accesses of blocks that ran on different workers: at the end of the launch, granule by
 * granule. */
#include "harness/ptx/cluster.h"
#include "harness/ptx/race.h"

static ptx_shadow *find_shadow(const ptx_worker *k, const ptx_alloc *a)
{
    for (const struct ptx_gshadow *s = k->gshadow; s; s = s->next)
        if (s->alloc == a)
            return s->shadow;
    return NULL;
}

static bool conflict(u32 a, u32 b)
{
    return a && b && !race_both_strong(a, b, false);
}

static u32 block_at(const ptx_shadow *s, u64 g, bool write)
{
    u32 block = write ? s->w_block[g] : s->r_who[g];
    return block == MANY_BLOCKS ? 0 : block;
}

/* The block with the higher number is the one that finds the other. What a launch that ended early
 * would not have come to in order is left out. true: a finding */
static bool report(ptx_grid *grid, const ptx_alloc *al, u64 g, const ptx_shadow *a, bool a_writes,
                   const ptx_shadow *b, bool b_writes)
{
    u32 one = block_at(a, g, a_writes), two = block_at(b, g, b_writes);
    if (ptx_must_stop(grid, ptx_unit_of(grid, one > two ? one : two)))
        return false;
    if (one > two)
        race_report_between(grid, al, g, a, a_writes, b, b_writes);
    else
        race_report_between(grid, al, g, b, b_writes, a, a_writes);
    return true;
}

/* true: a finding */
static bool compare(ptx_grid *grid, const ptx_alloc *al, u64 g, const ptx_shadow *a,
                    const ptx_shadow *b)
{
    bool same = !((a->w_key[g] | b->w_key[g]) & KEY_STRONG) && a->w_value[g] == b->w_value[g];
    return (conflict(a->w_key[g], b->w_key[g]) && !same && report(grid, al, g, a, true, b, true)) ||
           (conflict(a->w_key[g], b->r_key[g]) && report(grid, al, g, a, true, b, false)) ||
           (conflict(a->r_key[g], b->w_key[g]) && report(grid, al, g, a, false, b, true));
}

/* Whether nobody has used the chunk. */
static bool is_unused(const race_kept *c)
{
    return !(c->open || c->w_key || c->r_key);
}

/* true: a finding */
static bool compare_chunk(ptx_grid *grid, const ptx_alloc *al, u64 chunk, ptx_shadow *a, ptx_shadow *b)
{
    race_kept *ka = &a->kept[chunk], *kb = &b->kept[chunk];
    if (is_unused(ka) || is_unused(kb) || !(ka->open || kb->open || ka->w_key || kb->w_key))
        return false;
    u64 first = chunk * RACE_CHUNK, end = first + RACE_CHUNK < a->n ? first + RACE_CHUNK : a->n;
    race_open_rows(a, al, first, first);
    race_open_rows(b, al, first, first);
    for (u64 g = first; g < end; g++)
        if ((a->w_key[g] | b->w_key[g]) && compare(grid, al, g, a, b))
            return true;
    return false;
}

static void compare_shadows(ptx_grid *grid, const ptx_alloc *al, ptx_shadow *a, ptx_shadow *b)
{
    for (u64 chunk = 0; chunk * SHADOW_CHUNK < a->n; chunk++) {
        if (!a->touched[chunk] || !b->touched[chunk] ||
            !((a->touched[chunk] | b->touched[chunk]) & 2))
            continue;
        u64 end = (chunk + 1) * SHADOW_CHUNK < a->n ? (chunk + 1) * SHADOW_CHUNK : a->n;
        for (u64 g = chunk * SHADOW_CHUNK; g < end; g += RACE_CHUNK)
            if (compare_chunk(grid, al, g / RACE_CHUNK, a, b))
                return;
    }
}

void race_merge(ptx_grid *g, ptx_worker *workers, int n)
{
    if (atomic_load(&g->stop_at) != UINT32_MAX && (g->order || g->sample))
        return;
    for (int i = 0; i < n; i++)
        for (const struct ptx_gshadow *s = workers[i].gshadow; s; s = s->next)
            for (int j = i + 1; j < n && s->shadow; j++) {
                ptx_shadow *other = find_shadow(&workers[j], s->alloc);
                if (other)
                    compare_shadows(g, s->alloc, s->shadow, other);
            }
}
