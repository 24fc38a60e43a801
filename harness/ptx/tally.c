/* The end of a launch: what its instructions did, added up to counters and by source lines. Instructions are counted by
 * basic blocks, memory accesses by instruction. */
#include "harness/ptx/cache.h"
#include "harness/ptx/lanes.h"

#include <stdio.h>
#include <stdlib.h>

enum { SECTOR_SHIFT = 5 };

/* ---- numbering ---- */

static bool has_address(const ptx_ast_insn *a)
{
    for (int o = 0; o < a->n_operands; o++)
        if (a->operand[o].kind == PTX_OPD_ADDR)
            return true;
    return false;
}

static bool is_jump(const ptx_insn *i)
{
    return i->ast && (ws_str_eqz(i->ast->part[0], "bra") || ws_str_eqz(i->ast->part[0], "brx"));
}

void ptx_tallies_number(ptx_program *p, ptx_code *c)
{
    c->tally = WS_ARENA_NEW(&p->arena, uint32_t, c->n + 1);
    p->n_tallies += !p->n_tallies;
    for (uint32_t n = 0; n < c->n; n++) {
        ptx_insn *i = &c->insn[n];
        if (!i->ast || !(has_address(i->ast) || i->unit == PTX_UNIT_MEM || i->unit == PTX_UNIT_TENSOR || is_jump(i)))
            continue;
        c->tally[n] = p->n_tallies++;
        if (!is_jump(i))
            i->tally = c->tally[n];
    }
}

/* ---- instructions ---- */

typedef enum kind { LOAD, STORE, ATOMIC } kind;

/* What the instruction does to global memory, or with `shared` to shared memory. */
static kind kind_of(const ptx_ast_insn *a, bool shared)
{
    const ws_str name = a->part[0];
    if (ws_str_eqz(name, "atom") || ws_str_eqz(name, "red"))
        return ATOMIC;
    if (ws_str_eqz(name, "st") || ws_str_eqz(name, "stmatrix") || ptx_has(a, "store"))
        return STORE;
    if (!ws_str_eqz(name, "cp") || ptx_has(a, "prefetch"))
        return LOAD;
    if (!ptx_has(a, "bulk"))
        return shared ? STORE : LOAD;
    for (int p = 1; p < a->n_parts; p++) /* the target's space comes first */
        if (ws_str_eqz(a->part[p], "global"))
            return STORE;
        else if (a->part[p].n >= 6 && memcmp(a->part[p].p, "shared", 6) == 0)
            break;
    return LOAD;
}

static uint64_t requests(const ptx_tally *t)
{
    return t->whole + t->some;
}

/* The loads of rows and lone places that were counted with the first use of their shape. */
static void spread_ahead(const ptx_code *c, ptx_tally *tally)
{
    for (uint32_t n = 0; n < c->n; n++) {
        ptx_tally *from = &tally[c->tally[n]];
        if (!c->tally[n] || !from->ahead)
            continue;
        const uint64_t ahead = from->ahead, waves = from->ahead_waves;
        from->ahead = from->ahead_waves = 0;
        for (uint32_t k = n; k == n || (k < c->n && !c->insn[k].leader); k++) {
            if (!c->insn[k].ahead || c->insn[k].shape != c->insn[n].shape)
                continue;
            tally[c->tally[k]].shared += ahead;
            tally[c->tally[k]].waves += waves;
        }
    }
}

static void add_global(ptx_counters *to, const ptx_insn *i, const ptx_tally *t)
{
    const uint64_t ideal = t->sectors - t->excess, bytes = t->whole * PTX_LANES * i->esize * i->vec;
    switch (kind_of(i->ast, false)) {
    case LOAD:
        to->global_ld_requests += requests(t);
        to->global_ld_sectors += t->sectors;
        to->global_ld_ideal_sectors += ideal;
        to->global_ld_bytes += bytes;
        break;
    case STORE:
        to->global_st_requests += requests(t);
        to->global_st_sectors += t->sectors;
        to->global_st_ideal_sectors += ideal;
        to->global_st_bytes += bytes;
        break;
    default:
        to->global_atomic_requests += requests(t);
        to->global_atomic_sectors += t->sectors;
    }
}

static void add_tally(ptx_counters *to, const ptx_insn *i, const ptx_tally *t)
{
    if (i->space == PTX_SPACE_CONST) {
        to->const_requests += requests(t);
        to->const_passes += t->sectors;
    } else {
        add_global(to, i, t);
    }
    const kind k = kind_of(i->ast, true);
    *(k == LOAD ? &to->shared_ld_requests : k == STORE ? &to->shared_st_requests : &to->shared_atomic_requests) +=
        t->shared;
    to->shared_requests += t->shared;
    to->shared_wavefronts += t->waves;
    to->shared_bank_conflicts += t->conflicts;
    *(kind_of(i->ast, false) == STORE ? &to->local_st_requests : &to->local_ld_requests) += t->local;
    to->local_requests += t->local;
    to->local_sectors += t->local_sectors;
    to->divergent_branch += t->diverged;
}

bool ptx_tallies_are_of_loads(const ptx_program *p, const ptx_tally *was, const ptx_tally *is)
{
    for (int c = 0; c < p->n_codes; c++)
        for (uint32_t n = 0; n < p->code[c]->n; n++) {
            const uint32_t k = p->code[c]->tally[n];
            const ptx_tally *a = &was[k], *b = &is[k];
            if (a->shared != b->shared || a->ahead != b->ahead || a->local != b->local ||
                (requests(a) != requests(b) && kind_of(p->code[c]->insn[n].ast, false) != LOAD))
                return false;
        }
    return true;
}

void ptx_tallies_add(ptx_worker *k)
{
    const ptx_program *p = k->grid->program;
    for (int c = 0; c < p->n_codes; c++) {
        spread_ahead(p->code[c], k->tally);
        for (uint32_t n = 0; n < p->code[c]->n; n++)
            if (p->code[c]->tally[n])
                add_tally(&k->counters, &p->code[c]->insn[n], &k->tally[p->code[c]->tally[n]]);
    }
}

/* ---- basic blocks ---- */

/* Whole warps went through every basic block from where they entered to the end of the run. */
static void count_runs(ptx_worker *k)
{
    const ptx_program *p = k->grid->program;
    u64 whole = 0; /* modulo 2^64: what is counted twice is taken off again somewhere */
    for (u32 b = 0; b < p->n_bbs; b++) {
        whole = k->runs[b] + (p->begins_run[b] ? 0 : whole);
        k->hits[b] += whole;
        k->lanes[b] += whole * PTX_LANES;
    }
}

static void add_blocks(ptx_counters *to, const ptx_program *p, const u64 *hits, const u64 *lanes)
{
    u64 unit[PTX_UNIT_COUNT] = {0}, fma[4] = {0};
    for (u32 b = 0; b < p->n_bbs; b++) {
        u32 insns = 0;
        for (int u = 0; u < PTX_UNIT_COUNT; u++) {
            unit[u] += hits[b] * p->mix[b][u];
            insns += p->mix[b][u];
        }
        for (int f = 0; f < 4; f++)
            fma[f] += lanes[b] * p->fma_mix[b][f];
        to->warp_insns += hits[b] * insns;
        to->thread_insns += lanes[b] * insns;
    }
    to->idle_lanes += PTX_LANES * to->warp_insns - to->thread_insns;
    to->f32 += unit[PTX_UNIT_F32];
    to->f64 += unit[PTX_UNIT_F64];
    to->f16 += unit[PTX_UNIT_F16];
    to->i32 += unit[PTX_UNIT_I32];
    to->imul += unit[PTX_UNIT_IMUL];
    to->sfu += unit[PTX_UNIT_SFU];
    to->cvt += unit[PTX_UNIT_CVT];
    to->cmp_sel += unit[PTX_UNIT_SELECT];
    to->branch += unit[PTX_UNIT_BRANCH];
    to->mem_insns += unit[PTX_UNIT_MEM];
    to->barrier_insns += unit[PTX_UNIT_BARRIER];
    to->shuffle_vote += unit[PTX_UNIT_SHUFFLE];
    to->tensor += unit[PTX_UNIT_TENSOR];
    to->other_insns += unit[PTX_UNIT_OTHER];
    to->f32_fma_lanes += fma[0];
    to->f64_fma_lanes += fma[1];
    to->f16_fma_lanes += fma[2];
}

/* ---- distinct sectors ---- */

/* Of one allocation. Blocks that were not run use others too, up to all there are. */
static u64 scaled_sectors(u64 n, const ptx_alloc *a, double scale)
{
    const double more = (double)n * scale + 0.5, all = (double)((a->hi - a->lo + 31) >> SECTOR_SHIFT);
    return more < all ? (u64)more : (u64)all;
}

/* Where part `at` of the words ends. */
static u64 part_end(const ptx_sectors *s, u64 at)
{
    const u64 end = (at + 1) * PTX_PART_WORDS;
    return end < s->words ? end : s->words;
}

static void merge_used(ptx_sectors *to, const ptx_sectors *from)
{
    for (int write = 0; write < 2; write++)
        for (u64 part = 0; part < to->n_parts; part++) {
            if (!from->parts[write][part])
                continue;
            to->parts[write][part] = 1;
            for (u64 word = part * PTX_PART_WORDS; word < part_end(to, part); word++)
                to->used[write][word] |= from->used[write][word];
        }
}

static u64 count_used(const ptx_sectors *s, int write)
{
    u64 used = 0;
    for (u64 part = 0; part < s->n_parts; part++)
        for (u64 word = part * PTX_PART_WORDS; s->parts[write][part] && word < part_end(s, part);
             word++)
            used += (u64)__builtin_popcountll(s->used[write][word]);
    return used;
}

/* What all workers used of one allocation, gathered in the first one's set. */
static void add_used(ptx_own_sectors *to, const ptx_alloc *a, const ptx_worker *workers, int n, double scale)
{
    ptx_sectors *all = NULL;
    for (int k = 0; k < n; k++)
        for (ptx_sectors *s = workers[k].sectors; s; s = s->next) {
            if (s->alloc != a)
                continue;
            if (all)
                merge_used(all, s);
            all = all ? all : s;
        }
    for (int write = 0; write < 2; write++) {
        const u64 used = all ? count_used(all, write) : 0;
        to->own[write] += used;
        to->all[write] += scaled_sectors(used, a, scale);
    }
}

void ptx_count_finish(ptx_grid *g, ptx_worker *workers, int n)
{
    u64 blocks = 0;
    for (int k = 0; k < n; k++)
        blocks += workers[k].counters.blocks;
    double scale = g->sample && blocks ? (double)g->n_blocks / (double)blocks : 1;
    ptx_own_sectors distinct = {0};
    for (int i = 0; i < g->mem->n && g->options->count; i++)
        add_used(&distinct, g->mem->alloc[i], workers, n, scale);
    g->report->counters.unique_ld_sectors += distinct.all[0];
    g->report->counters.unique_st_sectors += distinct.all[1];
    for (int k = 0; k < n; k++) {
        count_runs(&workers[k]);
        ptx_ops_executed_blocks(g->program, workers[k].hits);
    }
    if (g->options->cover && g->report->coverage)
        ptx_cover_finish(g, workers, n);
    for (int k = 0; k < n && g->options->count; k++) {
        add_blocks(&workers[k].counters, g->program, workers[k].hits, workers[k].lanes);
        ptx_tallies_add(&workers[k]);
        workers[k].counters.blocks_run = workers[k].counters.blocks;
        if (workers[k].cache)
            ptx_cache_finish(&workers[k], &distinct, scale);
        ptx_counters_add(&g->report->counters, &workers[k].counters, scale);
    }
    if (g->options->count && g->options->lines && g->report->lines)
        ptx_tallies_by_line(g, workers, n, scale);
}

/* ---- source lines ---- */

static ptx_line_row *line_of(ptx_lines *to, const char *file, int line)
{
    int lo = 0, hi = to->n;
    while (lo < hi) {
        const int mid = (lo + hi) / 2, order = strcmp(to->line[mid].file, file);
        if (order < 0 || (order == 0 && to->line[mid].line < line))
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo < to->n && to->line[lo].line == line && strcmp(to->line[lo].file, file) == 0)
        return &to->line[lo];
    if (to->n == PTX_MAX_LINES) {
        to->full = true;
        return NULL;
    }
    memmove(&to->line[lo + 1], &to->line[lo], (size_t)(to->n - lo) * sizeof to->line[0]);
    to->n++;
    to->line[lo] = (ptx_line_row){.line = line};
    snprintf(to->line[lo].file, sizeof to->line[lo].file, "%s", file);
    return &to->line[lo];
}

static uint64_t scaled(uint64_t n, double by)
{
    return by > 1 ? (uint64_t)((double)n * by + 0.5) : n;
}

static void add_to_line(ptx_line_row *to, const ptx_insn *i, const ptx_tally *t, double scale)
{
    if (i->space != PTX_SPACE_CONST) {
        to->global_requests += scaled(requests(t), scale);
        to->sectors += scaled(t->sectors, scale);
        to->ideal_sectors += scaled(t->sectors - t->excess, scale);
    }
    to->l1_hits += scaled(t->l1_hits, scale);
    to->l2_hits += scaled(t->l2_hits, scale);
    to->dram_sectors += scaled(t->dram, scale);
    to->shared_requests += scaled(t->shared, scale);
    to->wavefronts += scaled(t->waves, scale);
    to->conflicts += scaled(t->conflicts, scale);
    to->divergent_branches += scaled(t->diverged, scale);
    to->atomic_passes += scaled(t->passes, scale);
    to->local_requests += scaled(t->local, scale);
}

void ptx_tallies_by_line(const ptx_grid *g, const ptx_worker *workers, int n, double scale)
{
    const ptx_program *p = g->program;
    for (int c = 0; c < p->n_codes; c++) {
        const ptx_code *code = p->code[c];
        uint32_t bb = 0;
        for (uint32_t m = 0; m < code->n; m++) {
            const ptx_insn *i = &code->insn[m];
            bb = i->leader ? i->bb : bb;
            uint64_t hits = 0, lanes = 0;
            for (int k = 0; k < n; k++) {
                hits += workers[k].hits[bb];
                lanes += workers[k].lanes[bb];
            }
            if (!hits)
                continue;
            const ptx_place at = ptx_insn_place(g->ast, i->ast);
            ptx_line_row *to = line_of(g->report->lines, at.line > 0 && at.file ? at.file : "", at.line > 0 ? at.line : 0);
            if (!to)
                continue;
            to->warp_insns += scaled(hits, scale);
            to->thread_insns += scaled(lanes, scale);
            for (int k = 0; k < n && code->tally[m]; k++)
                add_to_line(to, i, &workers[k].tally[code->tally[m]], scale);
        }
    }
}
