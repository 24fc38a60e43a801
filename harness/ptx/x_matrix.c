/* Matrices of 8 x 8 halves between shared memory and the registers of a warp: ldmatrix, stmatrix,
 * movmatrix. Lane l holds elements 2 (l % 4) and the next of row l / 4; lane 8 m + r has the
 * address of row r of matrix m. */
#include "harness/ptx/x_matrix.h"

#include "harness/ptx/alu.h"
#include "harness/ptx/x_mem.h"

#include <string.h>

enum { MAX_MATRICES = 4, ROW_BYTES = 16 };

typedef struct matrix_form {
    u32 slot[MAX_MATRICES];
    bool trans;
} matrix_form;

bool ptx_whole_warp(ptx_warp *w, const ptx_insn *i)
{
    if (w->exec == PTX_FULL)
        return true;
    if (w->live & ~w->exec)
        ptx_warp_wait(w, PTX_WAIT_LANES, w->live);
    else
        ptx_fault_sync(w, i, __builtin_ctz(w->exec), HX_ILLEGAL, "Divergent thread(s) in warp",
                       "illegal: %.*s needs all 32 threads of the warp, %d "
                         "execute it",
                         WS_STR_ARG(i->ast->part[0]), __builtin_popcount(w->exec));
    return false;
}

bool ptx_vec_slots(ptx_decoder *d, const ptx_operand *o, u32 bytes, bool is_dst, u32 *slot, int n)
{
    static const ptx_type types[] = {[2] = PTX_b16, [4] = PTX_b32, [8] = PTX_b64};
    int have = o->kind == PTX_OPD_VEC ? o->n_elem : 1;
    if (have != n)
        return false;
    for (int k = 0; k < n; k++) {
        const ptx_operand *e = o->kind == PTX_OPD_VEC ? &o->elem[k] : o;
        if (is_dst ? !ptx_alu_dst(d, e, bytes, &slot[k])
                   : !ptx_alu_src(d, e, types[bytes], &slot[k]))
            return false;
    }
    return true;
}

/* Lane l gets what lane-wise layout says of the transposed matrix. */
static void transpose(u32 out[PTX_LANES], const u32 in[PTX_LANES])
{
    u16 m[64], t[64];
    memcpy(m, in, sizeof m);
    for (int r = 0; r < 8; r++)
        for (int c = 0; c < 8; c++)
            t[r * 8 + c] = m[c * 8 + r];
    memcpy(out, t, sizeof t);
}

/* The rows' addresses as offsets in shared memory, checked; NULL: a fault was reported. */
static uint8_t *rows(ptx_warp *w, const ptx_insn *i, u64 addr[PTX_LANES], bool write)
{
    u32 left = i->vec == MAX_MATRICES ? PTX_FULL : (1u << (8 * i->vec)) - 1;
    ptx_mem_part part;
    ptx_mem_addresses(w, i, addr);
    if (!ptx_mem_next(w, i, addr, &left, &part))
        return NULL;
    if (part.space != PTX_SPACE_SHARED || left || part.block != w->block) {
        ptx_fault_simple(w, i, __builtin_ctz(left ? left : part.mask), HX_ILLEGAL,
                         "illegal: %.*s takes addresses of the block's shared memory only",
                         WS_STR_ARG(i->ast->part[0]));
        return NULL;
    }
    ptx_access x = {.insn = i,
                    .space = PTX_SPACE_SHARED,
                    .mask = part.mask,
                    .size = ROW_BYTES,
                    .write = write,
                    .read = !write,
                    .addr = addr};
    return ptx_watch(w, &x) ? w->block->shared : NULL;
}

static void x_ldmatrix(ptx_warp *w, const ptx_insn *i)
{
    const matrix_form *f = i->aux;
    u64 addr[PTX_LANES] __attribute__((aligned(64)));
    if (!ptx_whole_warp(w, i))
        return;
    const uint8_t *shared = rows(w, i, addr, false);
    if (!shared)
        return;
    for (u32 m = 0; m < i->vec; m++) {
        u32 t[PTX_LANES];
        for (u32 r = 0; r < 8; r++)
            memcpy(t + 4 * r, shared + addr[8 * m + r], ROW_BYTES);
        if (f->trans)
            transpose(OUT(u32, f->slot[m]), t);
        else
            memcpy(OUT(u32, f->slot[m]), t, sizeof t);
    }
}

static void x_stmatrix(ptx_warp *w, const ptx_insn *i)
{
    const matrix_form *f = i->aux;
    u64 addr[PTX_LANES] __attribute__((aligned(64)));
    if (!ptx_whole_warp(w, i))
        return;
    uint8_t *shared = rows(w, i, addr, true);
    if (!shared)
        return;
    for (u32 m = 0; m < i->vec; m++) {
        u32 t[PTX_LANES];
        if (f->trans)
            transpose(t, IN(u32, f->slot[m]));
        else
            memcpy(t, IN(u32, f->slot[m]), sizeof t);
        for (u32 r = 0; r < 8; r++)
            memcpy(shared + addr[8 * m + r], t + 4 * r, ROW_BYTES);
    }
}

static void x_movmatrix(ptx_warp *w, const ptx_insn *i)
{
    u32 t[PTX_LANES];
    if (!ptx_whole_warp(w, i))
        return;
    transpose(t, IN(u32, i->a));
    memcpy(OUT(u32, i->d), t, sizeof t);
}

static bool decode_matrix(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    bool store = i->op;
    matrix_form *f = WS_ARENA_NEW(ptx_decoder_arena(d), matrix_form, 1);
    i->vec = ptx_has(a, "x4") ? 4 : ptx_has(a, "x2") ? 2 : ptx_has(a, "x1") ? 1 : 0;
    i->esize = ROW_BYTES;
    i->space = PTX_SPACE_GENERIC;
    f->trans = ptx_has(a, "trans");
    if (!i->vec || a->n_operands != 2 || !ptx_has(a, "m8n8") || !ptx_has(a, "sync") ||
        !ptx_has(a, "aligned") || ptx_last_type(a) != PTX_b16 || !ptx_mem_parts(d, a, i) ||
        !ptx_address(d, &a->operand[store ? 0 : 1], i))
        return false;
    i->aux = f;
    i->run = store ? x_stmatrix : x_ldmatrix;
    return ptx_vec_slots(d, &a->operand[store ? 1 : 0], 4, !store, f->slot, i->vec);
}

static bool decode_movmatrix(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    i->run = x_movmatrix;
    return a->n_operands == 2 && ptx_has(a, "m8n8") && ptx_has(a, "trans") &&
           ptx_last_type(a) == PTX_b16 && ptx_alu_dst(d, &a->operand[0], 4, &i->d) &&
           ptx_alu_src(d, &a->operand[1], PTX_b32, &i->a);
}

const ptx_op_row ptx_ops_matrix[] = {
    {"ldmatrix.sync.aligned.m8n8.(x1 x2 x4){.trans}{.(shared shared::cta)}.b16 {d*}:b32, [a]",
     decode_matrix, 0, PTX_UNIT_MEM},
    {"stmatrix.sync.aligned.m8n8.(x1 x2 x4){.trans}{.(shared shared::cta)}.b16 [a], {b*}:b32",
     decode_matrix, 1, PTX_UNIT_MEM},
    {"movmatrix.sync.aligned.m8n8.trans.b16 d:b32, a:b32", decode_movmatrix, 0, PTX_UNIT_SHUFFLE},
    {0},
};
