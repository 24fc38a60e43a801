/* Matrices between shared memory and the registers of a warp: ldmatrix, stmatrix, movmatrix. A row has 16 bytes; lane
 * n m + r has the address of row r of matrix m, of n rows.
 *
 * m8n8: lane l holds the halves 2 (l % 4) and the next of row l / 4 of the matrix, or of its transpose.
 * m8n16: bytes 4 (l % 4) to 4 (l % 4) + 3 of row l / 4. In memory they may have 6 or 4 bits, one after the other; in
 * registers each is the lower end of a byte.
 * m16n16, loaded, always transposed: a register has bytes 4 (l % 4) .. 4 (l % 4) + 3 of row l / 4 of the transpose, the
 * next one of row l / 4 + 8. m16n8, stored, always transposed: bytes 0, 1 and 2, 3 of a register are columns
 * 2 (l % 4) and the next of rows l / 4 and l / 4 + 8; a column is a row in memory. */
#include "harness/ptx/x_matrix.h"

#include "harness/ptx/alu.h"
#include "harness/ptx/undef.h"
#include "harness/ptx/x_mem.h"

#include <string.h>

enum { MAX_MATRICES = 4, ROW_BYTES = 16 };

typedef struct matrix_form {
    u32 slot[MAX_MATRICES];
    u32 rows;  /* of a matrix */
    u32 bits;  /* of an element in memory: 16, 8, 6, 4 */
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

/* Of a row with 16 elements of 6 or 4 bits, the bytes that are no padding: first 8, then 4 more. A row is aligned to all
 * of its bytes. */
static bool watch_rows(ptx_warp *w, const matrix_form *f, ptx_access *x)
{
    u64 rest[PTX_LANES] __attribute__((aligned(64)));
    u32 all = x->mask, odd = 0;
    if (f->bits >= 8)
        return ptx_watch(w, x);
    EACH_SET(l, all) odd |= (u32)(x->addr[l] % ROW_BYTES != 0) << l;
    if (odd) {
        x->mask = odd;
        return ptx_watch(w, x);
    }
    x->size = 8;
    if (!ptx_watch(w, x))
        return false;
    if (f->bits == 4)
        return true;
    EACH_LANE(l) rest[l] = x->addr[l] + 8;
    x->addr = rest;
    x->size = 4;
    x->further = true;
    return ptx_watch(w, x);
}

/* The rows' addresses as offsets in shared memory, checked; NULL: a fault was reported. */
static uint8_t *rows(ptx_warp *w, const ptx_insn *i, u64 addr[PTX_LANES], bool write)
{
    const matrix_form *f = i->aux;
    u32 n = i->vec * f->rows, left = n == PTX_LANES ? PTX_FULL : (1u << n) - 1;
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
                    .marks = !write && f->rows == 8 && f->bits >= 8,
                    .addr = addr};
    return watch_rows(w, f, &x) ? w->block->shared : NULL;
}

/* ---- bytes ---- */

/* The 16 elements of a row, each in a byte. */
static void widen_row(u8 out[ROW_BYTES], const uint8_t *row, u32 bits)
{
    u64 low, high = 0;
    memcpy(&low, row, sizeof low);
    if (bits == 6)
        memcpy(&high, row + 8, 4);
    for (u32 e = 0; e < ROW_BYTES; e++) {
        u32 at = e * bits;
        u64 v = at < 64 ? low >> at : high >> (at - 64);
        v |= at < 64 && at + bits > 64 ? high << (64 - at) : 0;
        out[e] = (u8)(v & ((1u << bits) - 1));
    }
}

static void load_row(u8 out[ROW_BYTES], const uint8_t *row, u32 bits)
{
    if (bits >= 8)
        memcpy(out, row, ROW_BYTES);
    else
        widen_row(out, row, bits);
}

/* m16n16 */
static void load_square(const ptx_warp *w, const matrix_form *f, u32 m, const uint8_t *shared, const u64 *addr)
{
    u8 row[16][ROW_BYTES];
    for (u32 r = 0; r < 16; r++)
        load_row(row[r], shared + addr[16 * m + r], f->bits);
    for (u32 half = 0; half < 2; half++) {
        u32 *d = OUT(u32, f->slot[2 * m + half]);
        EACH_LANE(l) {
            u32 at = (u32)l / 4 + 8 * half, from = 4 * ((u32)l % 4);
            d[l] = row[from][at] | (u32)row[from + 1][at] << 8 | (u32)row[from + 2][at] << 16 |
                   (u32)row[from + 3][at] << 24;
        }
    }
}

/* m16n8: what goes to the 8 rows in memory. */
static void columns_of(u8 out[8][ROW_BYTES], const u32 *v)
{
    EACH_LANE(l)
        for (u32 j = 0; j < 4; j++)
            out[2 * (l % 4) + (j & 1)][(u32)l / 4 + 8 * (j / 2)] = (u8)(v[l] >> (8 * j));
}

/* ---- the instructions ---- */

/* Row r of a matrix m of n is at addr[n * m + r]. */
static void take_rows(ptx_warp *w, const ptx_insn *i, const uint8_t *from, const u64 addr[PTX_LANES])
{
    const matrix_form *f = i->aux;
    for (u32 m = 0; m < i->vec; m++) {
        u32 t[PTX_LANES];
        if (f->rows == 16) {
            load_square(w, f, m, from, addr);
            continue;
        }
        for (u32 r = 0; r < 8; r++)
            load_row((u8 *)(t + 4 * r), from + addr[8 * m + r], f->bits);
        if (f->trans)
            transpose(OUT(u32, f->slot[m]), t);
        else
            memcpy(OUT(u32, f->slot[m]), t, sizeof t);
    }
}

void ptx_matrix_spread(ptx_warp *w, const ptx_insn *i, const uint8_t *from, u32 stride)
{
    u64 addr[PTX_LANES];
    EACH_LANE(l) addr[l] = (u64)l * stride;
    take_rows(w, i, from, addr);
}

static void x_ldmatrix(ptx_warp *w, const ptx_insn *i)
{
    u64 addr[PTX_LANES] __attribute__((aligned(64)));
    if (!ptx_whole_warp(w, i))
        return;
    const uint8_t *shared = rows(w, i, addr, false);
    if (shared)
        take_rows(w, i, shared, addr);
}

/* Row r of matrix m to addr[8 * m + r]. */
static void put_rows(const ptx_warp *w, const ptx_insn *i, uint8_t *to, const u64 addr[PTX_LANES])
{
    const matrix_form *f = i->aux;
    for (u32 m = 0; m < i->vec; m++) {
        u32 t[PTX_LANES];
        if (f->bits == 8)
            columns_of((u8(*)[ROW_BYTES])t, IN(u32, f->slot[m]));
        else if (f->trans)
            transpose(t, IN(u32, f->slot[m]));
        else
            memcpy(t, IN(u32, f->slot[m]), sizeof t);
        for (u32 r = 0; r < 8; r++)
            memcpy(to + addr[8 * m + r], t + 4 * r, ROW_BYTES);
    }
}

/* Undefined bits take the same way. */
static void put_undefined(ptx_warp *w, const ptx_insn *i, const u64 addr[PTX_LANES])
{
    u8 row[PTX_LANES][ROW_BYTES] = {0};
    u64 at[PTX_LANES];
    uint8_t *regs = w->regs;
    EACH_LANE(l) at[l] = (u64)l * ROW_BYTES;
    w->regs = w->frame->undef->bits;
    put_rows(w, i, row[0], at);
    w->regs = regs;
    ptx_undef_stored_rows(w, i, addr, (const u8(*)[16])row, i->vec == MAX_MATRICES ? PTX_FULL : (1u << 8 * i->vec) - 1, 8);
}

static void x_stmatrix(ptx_warp *w, const ptx_insn *i)
{
    u64 addr[PTX_LANES] __attribute__((aligned(64)));
    if (!ptx_whole_warp(w, i))
        return;
    uint8_t *shared = rows(w, i, addr, true);
    if (!shared)
        return;
    put_rows(w, i, shared, addr);
    if (ptx_undef_here(w))
        put_undefined(w, i, addr);
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
    i->vec = ptx_has(a, "x4") ? 4 : ptx_has(a, "x2") ? 2 : 1;
    i->esize = ROW_BYTES;
    i->space = PTX_SPACE_GENERIC;
    f->trans = ptx_has(a, "trans");
    f->rows = ptx_has(a, "m16n16") ? 16 : 8;
    f->bits = ptx_has(a, "b16") ? 16 : ptx_has(a, "b6x16_p32") ? 6 : ptx_has(a, "b4x16_p64") ? 4 : 8;
    ptx_mem_parts(d, a, i);
    i->aux = f;
    i->run = store ? x_stmatrix : x_ldmatrix;
    return a->operand[store ? 1 : 0].kind == PTX_OPD_VEC && ptx_address(d, &a->operand[store ? 0 : 1], i) &&
           ptx_vec_slots(d, &a->operand[store ? 1 : 0], 4, !store, f->slot, i->vec * (int)f->rows / 8);
}

static bool decode_movmatrix(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    i->run = x_movmatrix;
    return ptx_alu_operands(d, a, i);
}

const ptx_op_row ptx_ops_matrix[] = {
    {"ldmatrix.sync.aligned.m8n8.(x1 x2 x4){.trans}{.(shared shared::cta)}.b16 {d*}:b32, [a]",
     decode_matrix, 0, PTX_UNIT_MEM},
    {"ldmatrix.sync.aligned.m8n16.(x1 x2 x4){.(shared shared::cta)}.b8x16.(b6x16_p32 b4x16_p64) {d*}:b32, [a]",
     decode_matrix, 0, PTX_UNIT_MEM},
    {"ldmatrix.sync.aligned.m16n16.(x1 x2).trans{.(shared shared::cta)}.b8 {d*}:b32, [a]",
     decode_matrix, 0, PTX_UNIT_MEM},
    {"ldmatrix.sync.aligned.m16n16.(x1 x2).trans{.(shared shared::cta)}.b8x16.(b6x16_p32 b4x16_p64) {d*}:b32, [a]",
     decode_matrix, 0, PTX_UNIT_MEM},
    {"stmatrix.sync.aligned.m8n8.(x1 x2 x4){.trans}{.(shared shared::cta)}.b16 [a], {b*}:b32",
     decode_matrix, 1, PTX_UNIT_MEM},
    {"stmatrix.sync.aligned.m16n8.(x1 x2 x4).trans{.(shared shared::cta)}.b8 [a], {b*}:b32",
     decode_matrix, 1, PTX_UNIT_MEM},
    {"movmatrix.sync.aligned.m8n8.trans.b16 d:b32, a:b32", decode_movmatrix, 0, PTX_UNIT_SHUFFLE},
    {0},
};
