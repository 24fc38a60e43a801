/* mov from special registers. */
#include "harness/ptx/alu.h"
#include "harness/ptx/lanes.h"

#include <stdlib.h>
#include <string.h>

typedef enum sreg {
    S_TID, S_NTID, S_CTAID, S_NCTAID, S_LANEID, S_WARPID, S_NWARPID, S_ZERO, S_ONE, S_LANEMASK_EQ,
    S_LANEMASK_LE,
    S_LANEMASK_LT, S_LANEMASK_GE, S_LANEMASK_GT, S_CLOCK, S_CLOCK_HI, S_GLOBALTIMER,
    S_GLOBALTIMER_HI, S_DYNAMIC_SHARED,
    S_TOTAL_SHARED, S_ENVREG, S_CLUSTERID, S_NCLUSTERID, S_CLUSTER_CTAID, S_CLUSTER_NCTAID,
    S_CLUSTER_RANK, S_CLUSTER_SIZE
} sreg;

/* Registers with .x .y .z have three values. */
static const struct {
    const char *name;
    sreg kind;
    bool has_axes;
} sregs[] = {
    {"tid", S_TID, true}, {"ntid", S_NTID, true}, {"ctaid", S_CTAID, true},
    {"nctaid", S_NCTAID, true},
    {"laneid", S_LANEID, false}, {"warpid", S_WARPID, false}, {"nwarpid", S_NWARPID, false},
    {"smid", S_ZERO, false},
    {"nsmid", S_ONE, false}, {"gridid", S_ZERO, false}, {"lanemask_eq", S_LANEMASK_EQ, false},
    {"lanemask_le", S_LANEMASK_LE, false}, {"lanemask_lt", S_LANEMASK_LT, false},
    {"lanemask_ge", S_LANEMASK_GE, false}, {"lanemask_gt", S_LANEMASK_GT, false},
    {"clock", S_CLOCK, false},
    {"clock_hi", S_CLOCK_HI, false}, {"clock64", S_CLOCK, false},
    {"globaltimer", S_GLOBALTIMER, false},
    {"globaltimer_lo", S_GLOBALTIMER, false}, {"globaltimer_hi", S_GLOBALTIMER_HI, false},
    {"dynamic_smem_size", S_DYNAMIC_SHARED, false}, {"total_smem_size", S_TOTAL_SHARED, false},
    {"aggr_smem_size", S_TOTAL_SHARED, false}, {"current_graph_exec", S_ZERO, false},
    {"clusterid", S_CLUSTERID, true}, {"nclusterid", S_NCLUSTERID, true},
    {"cluster_ctaid", S_CLUSTER_CTAID, true},
    {"cluster_nctaid", S_CLUSTER_NCTAID, true}, {"cluster_ctarank", S_CLUSTER_RANK, false},
    {"cluster_nctarank", S_CLUSTER_SIZE, false},
};

/* The time that %globaltimer tells follows from what was executed, so that a launch runs the same
 * way every time. */
static u64 global_time(const ptx_warp *w)
{
    static const u64 start_ns = 1700000000ull * 1000000000, insn_ns = 16;
    return start_ns + (w->insns + w->block->insns) * insn_ns;
}

static u64 uniform_value(const ptx_warp *w, sreg kind, int axis)
{
    const ptx_grid *g = w->worker->grid;
    switch (kind) {
    case S_NTID:
        return g->args->block[axis];
    case S_CTAID:
        return w->block->ctaid[axis];
    case S_NCTAID:
        return g->grid[axis];
    case S_CLUSTERID:
        return w->block->ctaid[axis] / g->cluster[axis];
    case S_NCLUSTERID:
        return g->grid[axis] / g->cluster[axis];
    case S_CLUSTER_CTAID:
        return w->block->ctaid[axis] % g->cluster[axis];
    case S_CLUSTER_NCTAID:
        return g->cluster[axis];
    case S_CLUSTER_RANK:
        return w->block->rank;
    case S_CLUSTER_SIZE:
        return g->cluster_blocks;
    case S_WARPID:
        return (u64)w->id;
    case S_NWARPID:
        return (u64)w->block->n_warps;
    case S_ONE:
        return 1;
    case S_CLOCK:
        return w->insns + w->block->insns;
    case S_CLOCK_HI:
        return (w->insns + w->block->insns) >> 32;
    case S_GLOBALTIMER:
        return global_time(w);
    case S_GLOBALTIMER_HI:
        return global_time(w) >> 32;
    case S_DYNAMIC_SHARED:
        return g->args->dynamic_shared_bytes;
    case S_TOTAL_SHARED:
        return g->shared_bytes;
    case S_ENVREG: /* 1 and 2: address of a cooperative launch's workspace, high half first */
        return axis == 1 ? g->workspace >> 32 : axis == 2 ? (u32)g->workspace : 0;
    default:
        return 0;
    }
}

static u64 lane_value(const ptx_warp *w, sreg kind, int axis, int lane)
{
    u32 bit = 1u << lane;
    switch (kind) {
    case S_TID:
        return w->tid[axis][lane];
    case S_LANEID:
        return (u64)lane;
    case S_LANEMASK_EQ:
        return bit;
    case S_LANEMASK_LE:
        return bit | (bit - 1);
    case S_LANEMASK_LT:
        return bit - 1;
    case S_LANEMASK_GE:
        return ~(bit - 1);
    case S_LANEMASK_GT:
        return ~(bit | (bit - 1));
    default:
        return 0;
    }
}

static bool varies(sreg kind)
{
    return kind == S_TID || kind == S_LANEID || (kind >= S_LANEMASK_EQ && kind <= S_LANEMASK_GT);
}

static void x_sreg(ptx_warp *w, const ptx_insn *i)
{
    sreg kind = (sreg)i->op;
    u64 uniform = varies(kind) ? 0 : uniform_value(w, kind, i->type);
    uint8_t *d = OUT(uint8_t, i->d);
    if (i->dsize == 4 && w->exec == PTX_FULL && (kind == S_TID || !varies(kind))) {
        if (kind == S_TID)
            memcpy(OUT(u32, i->d), w->tid[i->type], sizeof w->tid[0]);
        else
            EACH_LANE(l) OUT(u32, i->d)[l] = (u32)uniform;
        return;
    }
    EACH_SET(l, w->exec)
    {
        u64 v = varies(kind) ? lane_value(w, kind, i->type, (int)l) : uniform;
        memcpy(d + (size_t)l * i->dsize, &v, i->dsize);
    }
}

/* Bytes that a mov from it can have, or'ed: those with axes were .u16 before PTX 2.0, %gridid .u32
 * before 3.0. */
static uint32_t sizes_of(const char *text)
{
    size_t n = strlen(text);
    if (strcmp(text, "%clock64") == 0 || strcmp(text, "%globaltimer") == 0 ||
        strcmp(text, "%current_graph_exec") == 0 || (n > 3 && strcmp(text + n - 3, "_64") == 0))
        return 8;
    return strchr(text, '.') ? 2 | 4 : strcmp(text, "%gridid") == 0 ? 4 | 8 : 4;
}

/* i->op the register, i->type its axis */
static bool find_sreg(const char *text, ptx_insn *i)
{
    const char *dot = strchr(text, '.');
    size_t n = dot ? (size_t)(dot - text) : strlen(text);
    for (size_t s = 0; s < WS_COUNT(sregs); s++) {
        if (strlen(sregs[s].name) + 1 != n || strncmp(text + 1, sregs[s].name, n - 1) != 0 ||
            sregs[s].has_axes != (dot != NULL))
            continue;
        i->op = (uint8_t)sregs[s].kind;
        i->type = dot ? (uint8_t)(dot[1] - 'x') : 0;
        return i->type < 3;
    }
    /* Performance counters stand still, and nothing of shared memory is reserved. */
    if ((strncmp(text, "%pm", 3) == 0 && text[3] >= '0' && text[3] <= '7') ||
        strncmp(text, "%reserved_smem_offset_", 22) == 0) {
        i->op = S_ZERO;
        return true;
    }
    if (strncmp(text, "%envreg", 7) == 0) {
        i->op = S_ENVREG;
        i->type = (uint8_t)atoi(text + 7);
        return true;
    }
    return false;
}

static void x_is_explicit_cluster(ptx_warp *w, const ptx_insn *i)
{
    ptx_set_pred(w, i->d, w->worker->grid->explicit_cluster ? PTX_FULL : 0);
}

static bool decode_sreg(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    i->dsize = (uint8_t)ptx_type_bytes(i->match->last);
    if (!find_sreg(a->operand[1].text, i) ||
        !(sizes_of(a->operand[1].text) & i->dsize))
        return false;
    i->run = x_sreg;
    return ptx_alu_operands(d, a, i);
}

static bool decode_pred(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    i->run = x_is_explicit_cluster;
    return strcmp(a->operand[1].text, "%is_explicit_cluster") == 0 &&
           ptx_alu_pred_dst(d, &a->operand[0], &i->d);
}

const ptx_op_row ptx_ops_sreg[] = {
    {"mov.pred p, %a", decode_pred, 0, PTX_UNIT_SELECT},
    {"mov.(u16 s16 b16 u32 s32 b32 u64 s64 b64) d, %a", decode_sreg, 0, PTX_UNIT_OTHER},
    {0},
};
