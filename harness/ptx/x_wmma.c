/* wmma: matrices between memory and fragments, and their products.
 *
 * The ISA leaves open which lane holds which element; the counts are its own. Accumulators lie as
 * in mma.sync, tile by tile. A and B are rows of registers: A by rows, B by columns, register r of
 * lane l is the (32 r + l)-th. In f16 fragments the upper half of the registers repeats the lower
 * where the matrix has no more elements. */
#include "harness/ptx/field_step.h"
#include "harness/ptx/half.h"
#include "harness/ptx/mma.h"
#include "harness/ptx/alu.h"
#include "harness/ptx/x_matrix.h"
#include "harness/ptx/undef.h"
#include "harness/ptx/x_mem.h"

#include <string.h>

enum { MAX_REGS = 8, MAX_SLOTS = 32, MAX_SIDE = 32, MAX_ROW = 32 };

typedef struct matrix { /* one fragment */
    char role;          /* a b c */
    mma_type type;
    u32 m, n, k;
    u32 n_regs, slot[MAX_REGS];
} matrix;

typedef struct wmma_form {
    matrix a, b, c, d;
    bool col, saturates, is_and;
    u32 stride; /* slot; PTX_NO_SLOT: default */
} wmma_form;

static u32 wide(const matrix *x)
{
    return x->type == MMA_F64 ? 8 : 4;
}

/* Elements of a register; bits count as words of 32. */
static u32 per_register(const matrix *x)
{
    u32 bits = mma_type_bits(x->type);
    return bits >= 32 ? 1 : 32 / bits;
}

/* Row and column of element e of register r, lane l; the row is that of A or C, the column that of
 * B for B, and k for the other one. */
static void place(const matrix *x, u32 r, u32 l, u32 e, u32 *row, u32 *col)
{
    u32 per = per_register(x);
    if (x->role == 'c') {
        u32 i = r * per + e, tile = i / 4, g = l >> 2, t = l & 3;
        if (x->m == 8) {
            *row = g;
            *col = 8 * (i / 2) + 2 * t + (i & 1);
        } else {
            *row = g + (i & 2 ? 8 : 0) + (x->m == 32 ? 16 * tile : 0);
            *col = 2 * t + (i & 1) + (x->m == 32 ? 0 : 8 * tile);
        }
        return;
    }
    u32 lines = x->role == 'a' ? x->m : x->n, of_row = x->k / per,
        at = (32 * r + l) % (lines * of_row);
    u32 line = at / of_row, k = at % of_row * per + e;
    *row = x->role == 'a' ? line : k;
    *col = x->role == 'a' ? k : line;
}

static bool is_distinct(const matrix *x, u32 r)
{
    u32 lines = x->role == 'a' ? x->m : x->n;
    return x->role == 'c' || 32 * r < lines * x->k / per_register(x);
}

/* ---- load and store ---- */

typedef struct memory_view {
    ptx_space space;
    u64 base, stride; /* stride in elements */
    uint8_t *host;    /* what an address of the space is relative to */
} memory_view;

static bool open_memory(ptx_warp *w, const ptx_insn *i, const matrix *x, memory_view *v)
{
    const wmma_form *f = i->aux;
    u64 addr[PTX_LANES] __attribute__((aligned(64)));
    u32 left = w->exec;
    ptx_mem_part part;
    ptx_mem_addresses(w, i, addr);
    v->stride = f->stride != PTX_NO_SLOT ? IN(u32, f->stride)[0] : 0;
    if (!ptx_is_uniform(addr)) {
        ptx_fault_simple(w, i, 0, HX_ILLEGAL, "illegal: wmma with different addresses in one warp");
        return false;
    }
    if (f->stride == PTX_NO_SLOT) {
        u32 rows = x->role == 'b' ? x->k : x->m, cols = x->role == 'a' ? x->k : x->n;
        v->stride = f->col ? rows : cols;
    }
    if (!ptx_mem_next(w, i, addr, &left, &part))
        return false;
    v->space = part.space;
    v->base = addr[0];
    if ((v->space != PTX_SPACE_SHARED && v->space != PTX_SPACE_GLOBAL) || part.block != w->block) {
        ptx_fault_simple(w, i, 0, HX_ILLEGAL,
                         "illegal: wmma takes addresses of global and the block's shared memory only");
        return false;
    }
    v->host = ptx_mem_base(w, &part);
    return true;
}

/* Bytes from the base to an element; bits of a byte are never apart. */
static u64 offset_of(const wmma_form *f, const memory_view *v, const matrix *x, u32 row, u32 col)
{
    u64 at = f->col ? (u64)col * v->stride + row : (u64)row * v->stride + col;
    return at * mma_type_bits(x->type) / 8;
}

/* Elements of a register that lie side by side in memory, so that one access does for them. */
static u32 run_of(const wmma_form *f, const memory_view *v, const matrix *x)
{
    u32 per = per_register(x), bits = mma_type_bits(x->type);
    if (bits < 8)
        return per;
    bool along =
        x->role == 'b' ? f->col : !f->col; /* the elements of a register follow each other */
    bool aligned = v->base % 4 == 0 && v->stride * bits / 8 % 4 == 0;
    return along && aligned ? (x->role == 'c' && per > 2 ? 2 : per) : 1;
}

static bool move_register(ptx_warp *w, const ptx_insn *i, const memory_view *v, const matrix *x,
                          u32 r, bool store)
{
    const wmma_form *f = i->aux;
    u32 per = per_register(x), run = run_of(f, v, x), bits = mma_type_bits(x->type),
        bytes = run * bits / 8;
    uint8_t *reg = OUT(uint8_t, x->slot[r]);
    const ptx_named named = {x->slot[r], wide(x) * PTX_LANES, wide(x), PTX_REG_WRITTEN};
    for (u32 e = 0; e < per; e += run) {
        u64 addr[PTX_LANES] __attribute__((aligned(64)));
        EACH_LANE(l)
        {
            u32 row, col;
            place(x, r, (u32)l, e, &row, &col);
            addr[l] = v->base + offset_of(f, v, x, row, col);
        }
        ptx_access a = {.insn = i,
                        .space = v->space,
                        .mask = PTX_FULL,
                        .size = bytes,
                        .write = store,
                        .read = !store,
                        .marks = !store,
                        .into = &named,
                        .into_at = e * bits / 8,
                        .addr = addr};
        if (!ptx_watch(w, &a))
            return false;
        if (store && ptx_field_prime(w) && x->type != MMA_S32)
            ptx_field_wrote(w, v->space, addr, bytes);
        if (store && ptx_undef_here(w))
            ptx_undef_stored(w, &a, &named, e * bits / 8);
        EACH_LANE(l)
        {
            uint8_t *p = (uint8_t *)((uintptr_t)v->host + (uintptr_t)addr[l]),
                    *q = reg + (u32)l * wide(x) + e * bits / 8;
            memcpy(store ? p : q, store ? q : p, bytes);
        }
    }
    return true;
}

static void x_wmma_load(ptx_warp *w, const ptx_insn *i)
{
    const wmma_form *f = i->aux;
    memory_view v;
    if (!ptx_whole_warp(w, i) || !open_memory(w, i, &f->d, &v))
        return;
    u32 distinct = 0;
    for (u32 r = 0; r < f->d.n_regs; r++) {
        if (is_distinct(&f->d, r)) {
            distinct++;
            if (!move_register(w, i, &v, &f->d, r, false))
                return;
        } else {
            memcpy(OUT(u32, f->d.slot[r]), IN(u32, f->d.slot[r - distinct]), 4 * PTX_LANES);
            if (ptx_undef_here(w))
                ptx_undef_same(w, &(ptx_named){f->d.slot[r], 4 * PTX_LANES, 4, PTX_REG_WRITTEN},
                               &(ptx_named){f->d.slot[r - distinct], 4 * PTX_LANES, 4, PTX_REG_WRITTEN});
        }
    }
}

static void x_wmma_store(ptx_warp *w, const ptx_insn *i)
{
    const wmma_form *f = i->aux;
    memory_view v;
    if (!ptx_whole_warp(w, i) || !open_memory(w, i, &f->d, &v))
        return;
    for (u32 r = 0; r < f->d.n_regs; r++)
        if (!move_register(w, i, &v, &f->d, r, true))
            return;
}

/* ---- multiply ---- */

static u64 element(const ptx_warp *w, const matrix *x, u32 r, u32 l, u32 e)
{
    u32 bits = mma_type_bits(x->type);
    if (bits == 64)
        return IN(u64, x->slot[r])[l];
    return IN(u32, x->slot[r])[l] >> (bits * e) & (u32)((1ull << bits) - 1);
}

/* The fragment as a matrix of floats: lines of A are rows, of B columns. */
static void to_floats(const ptx_warp *w, const matrix *x, f32 out[MAX_SIDE][MAX_ROW])
{
    u32 per = per_register(x), row, col;
    for (u32 r = 0; r < x->n_regs && is_distinct(x, r); r++)
        EACH_LANE(l)
    for (u32 e = 0; e < per; e++) {
        place(x, r, (u32)l, e, &row, &col);
        f32 v = mma_widen(mma_stored(mma_model(w), x->type), (u32)element(w, x, r, (u32)l, e));
        *(x->role == 'b' ? &out[col][row] : &out[row][col]) = v;
    }
}

static void from_floats(const ptx_warp *w, const matrix *x, f32 in[MAX_SIDE][MAX_ROW])
{
    u32 per = per_register(x), row, col;
    for (u32 r = 0; r < x->n_regs; r++)
        EACH_LANE(l)
        {
            u32 word = 0;
            for (u32 e = 0; e < per; e++) {
                place(x, r, (u32)l, e, &row, &col);
                u32 whole = fp_bits(in[row][col]);
                word |= per == 1 ? whole
                        : mma_model(w) == PTX_MMA_FIELD
                            ? whole >> 16 << (16 * e)
                            : (u32)half_round(in[row][col], false, PTX_RN) << (16 * e);
            }
            OUT(u32, x->slot[r])[l] = word;
        }
}

static void x_wmma_float(ptx_warp *w, const ptx_insn *i)
{
    const wmma_form *f = i->aux;
    const mma_rule rule = {.a = f->a.type,
                           .b = f->b.type,
                           .half = f->d.type == MMA_F16,
                           .model = mma_model(w),
                           .prime = ptx_field_prime(w)};
    f32 a[MAX_SIDE][MAX_ROW], b[MAX_SIDE][MAX_ROW], c[MAX_SIDE][MAX_ROW];
    mma_tile x;
    if (!ptx_whole_warp(w, i))
        return;
    to_floats(w, &f->a, a);
    to_floats(w, &f->b, b);
    to_floats(w, &f->c, c);
    u32 m = f->d.m, n = f->d.n, k = f->a.k;
    for (u32 r0 = 0; r0 < m; r0 += MMA_M)
        for (u32 c0 = 0; c0 < n; c0 += MMA_N) {
            for (u32 r = 0; r < MMA_M; r++) {
                bool real = r0 + r < m;
                for (u32 q = 0; q < k; q++)
                    x.a[q][r] = real ? a[r0 + r][q] : 0;
                for (u32 j = 0; j < MMA_N; j++)
                    x.c[j][r] = real ? c[r0 + r][c0 + j] : 0;
            }
            for (u32 j = 0; j < MMA_N; j++)
                memcpy(x.b[j], b[c0 + j], k * sizeof(f32));
            mma_multiply(&x, k, &rule);
            for (u32 r = 0; r < MMA_M && r0 + r < m; r++)
                for (u32 j = 0; j < MMA_N; j++)
                    c[r0 + r][c0 + j] = x.d[j][r];
        }
    from_floats(w, &f->d, c);
    w->worker->counters.tensor_flops += 2 * (u64)m * n * k;
}

static s32 to_int(mma_type t, u64 v)
{
    switch (t) {
    case MMA_S8:
        return (s8)v;
    case MMA_S4:
        return (s32)((u32)v << 28) >> 28;
    default:
        return (s32)v;
    }
}

static void x_wmma_int(ptx_warp *w, const ptx_insn *i)
{
    const wmma_form *f = i->aux;
    static const u32 most_k = 128;
    s32 a[MAX_SIDE][128], b[MAX_SIDE][128], d[MAX_REGS][PTX_LANES];
    u32 row, col, k = f->a.k;
    if (!ptx_whole_warp(w, i) || k > most_k)
        return;
    const matrix *in[2] = {&f->a, &f->b};
    for (int side = 0; side < 2; side++)
        for (u32 r = 0; r < in[side]->n_regs; r++)
            EACH_LANE(l)
    for (u32 e = 0; e < per_register(in[side]); e++) {
        place(in[side], r, (u32)l, e, &row, &col);
        *(side ? &b[col][row] : &a[row][col]) =
            to_int(in[side]->type, element(w, in[side], r, (u32)l, e));
    }
    for (u32 r = 0; r < f->d.n_regs; r++)
        EACH_LANE(l)
        {
            place(&f->d, r, (u32)l, 0, &row, &col);
            s64 sum = IN(s32, f->c.slot[r])[l];
            for (u32 q = 0; q < k; q++)
                sum += f->a.type != MMA_B1 ? a[row][q] * b[col][q]
                       : f->is_and         ? a[row][q] & b[col][q]
                                           : a[row][q] ^ b[col][q];
            sum = f->saturates && sum > INT32_MAX   ? INT32_MAX
                  : f->saturates && sum < INT32_MIN ? INT32_MIN
                                                    : sum;
            d[r][l] = (s32)(u32)(u64)sum;
        }
    for (u32 r = 0; r < f->d.n_regs; r++)
        memcpy(OUT(s32, f->d.slot[r]), d[r], sizeof d[r]);
    w->worker->counters.tensor_flops += 2 * (u64)f->d.m * f->d.n * k;
}

/* Opaque: it runs under a changed rounding mode. */
__attribute__((noipa)) static void sum_f64(const ptx_warp *w, const wmma_form *f, f64 d[2][PTX_LANES])
{
    u32 row, col;
    const f64 *a = IN(f64, f->a.slot[0]), *b = IN(f64, f->b.slot[0]);
    for (u32 r = 0; r < 2; r++)
        EACH_LANE(l)
        {
            place(&f->d, r, (u32)l, 0, &row, &col);
            f64 sum = IN(f64, f->c.slot[r])[l];
            for (u32 k = 0; k < 4; k++)
                sum = __builtin_fma(a[4 * row + k], b[4 * col + k], sum);
            d[r][l] = sum;
        }
}

static void sum_field(const ptx_warp *w, const wmma_form *f, f64 d[2][PTX_LANES])
{
    u32 row, col, p = ptx_field_prime(w);
    const u64 *a = IN(u64, f->a.slot[0]), *b = IN(u64, f->b.slot[0]), m = field_constant(p);
    for (u32 r = 0; r < 2; r++)
        EACH_LANE(l)
        {
            place(&f->d, r, (u32)l, 0, &row, &col);
            u32 sum = field_of64(IN(u64, f->c.slot[r])[l]);
            for (u32 k = 0; k < 4; k++)
                sum = field_fma(field_of64(a[4 * row + k]), field_of64(b[4 * col + k]), sum, p, m);
            u64 code = (u64)sum << 48;
            memcpy(&d[r][l], &code, sizeof code);
        }
}

static void x_wmma_f64(ptx_warp *w, const ptx_insn *i)
{
    const wmma_form *f = i->aux;
    f64 d[2][PTX_LANES];
    if (!ptx_whole_warp(w, i))
        return;
    if (ptx_field_prime(w)) {
        sum_field(w, f, d);
    } else {
        fp_round_begin(i->mods & 3);
        sum_f64(w, f, d);
        fp_round_end(i->mods & 3);
    }
    for (u32 r = 0; r < 2; r++)
        memcpy(OUT(f64, f->d.slot[r]), d[r], sizeof d[r]);
    w->worker->counters.tensor_flops += 2 * 8 * 8 * 4;
}

/* ---- decoding ---- */

/* Shapes: m, n, k, type of A and B, registers of A and B. */
static const struct {
    u8 m, n, k;
    mma_type type;
    u8 n_a, n_b;
} shapes[] = {
    {16, 16, 16, MMA_F16, 8, 8},  {8, 32, 16, MMA_F16, 8, 8},  {32, 8, 16, MMA_F16, 8, 8},
    {16, 16, 16, MMA_BF16, 4, 4}, {8, 32, 16, MMA_BF16, 2, 8}, {32, 8, 16, MMA_BF16, 8, 2},
    {16, 16, 8, MMA_TF32, 4, 4},  {16, 16, 16, MMA_S8, 2, 2},  {8, 32, 16, MMA_S8, 1, 4},
    {32, 8, 16, MMA_S8, 4, 1},    {8, 8, 32, MMA_S4, 1, 1},    {8, 8, 128, MMA_B1, 1, 1},
    {8, 8, 4, MMA_F64, 1, 1},
};

static mma_type without_sign(mma_type t)
{
    return t == MMA_U8 ? MMA_S8 : t == MMA_U4 ? MMA_S4 : t;
}

static bool set_matrix(matrix *x, char role, mma_type t, const mma_words *name, mma_type operand)
{
    *x = (matrix){.role = role, .type = t, .m = name->m, .n = name->n, .k = name->k};
    for (size_t s = 0; s < WS_COUNT(shapes); s++) {
        if (shapes[s].m != x->m || shapes[s].n != x->n || shapes[s].k != x->k)
            continue;
        if (role != 'c' && shapes[s].type == without_sign(t)) {
            x->n_regs = role == 'a' ? shapes[s].n_a : shapes[s].n_b;
            return true;
        }
        if (role == 'c' && (operand == MMA_TYPE_COUNT || shapes[s].type == without_sign(operand)) &&
            (t == MMA_F16 || t == MMA_F32 || t == MMA_S32 || t == MMA_F64)) {
            x->n_regs = x->m * x->n / PTX_LANES / (t == MMA_F16 ? 2 : 1);
            return true;
        }
    }
    return false;
}

static bool decode_move(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i, wmma_form *f,
                        const mma_words *name, bool store)
{
    mma_type t = name->type[0];
    char role = store || ws_str_eqz(a->part[2], "c") ? 'c'
                : ws_str_eqz(a->part[2], "a")        ? 'a'
                                                     : 'b';
    const ptx_operand *memory = &a->operand[store ? 0 : 1], *regs = &a->operand[store ? 1 : 0];
    if (!set_matrix(&f->d, role, t, name, MMA_TYPE_COUNT))
        return false;
    f->col = ptx_has(a, "col");
    f->stride = PTX_NO_SLOT;
    i->space = PTX_SPACE_GENERIC;
    i->unit = PTX_UNIT_MEM;
    i->run = store ? x_wmma_store : x_wmma_load;
    if (mma_type_bits(t) < 8 && (f->col != (role == 'b')))
        return false;
    if (a->n_operands == 3 && !ptx_alu_src(d, &a->operand[2], PTX_b32, &f->stride))
        return false;
    ptx_program *p = ptx_decoder_program(d);
    u32 least = mma_type_bits(t) >= 8 ? mma_type_bits(t) / 8 : 4;
    p->granule = least < p->granule ? least : p->granule;
    ptx_mem_parts(d, a, i);
    return ptx_address(d, memory, i) &&
           ptx_vec_slots(d, regs, wide(&f->d), !store, f->d.slot, (int)f->d.n_regs);
}

static bool decode_product(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i, wmma_form *f,
                           const mma_words *name)
{
    mma_type t[4];
    memcpy(t, name->type, sizeof t);
    if (name->n_types == 2) { /* f16 operands are not named */
        t[3] = t[1];
        t[1] = t[2] = MMA_F16;
    }
    if (!set_matrix(&f->d, 'c', t[0], name, t[1]) || !set_matrix(&f->a, 'a', t[1], name, t[1]) ||
        !set_matrix(&f->b, 'b', t[2], name, t[2]) || !set_matrix(&f->c, 'c', t[3], name, t[1]))
        return false;
    bool real = t[1] == MMA_F16 || t[1] == MMA_BF16 || t[1] == MMA_TF32;
    f->saturates = ptx_has(a, "satfinite");
    f->is_and = ptx_has(a, "and");
    i->unit = PTX_UNIT_TENSOR;
    ptx_mods(a, i);
    i->run = real ? x_wmma_float : t[1] == MMA_F64 ? x_wmma_f64 : x_wmma_int;
    matrix *m[4] = {&f->d, &f->a, &f->b, &f->c};
    for (int o = 0; o < 4; o++)
        if (!ptx_vec_slots(d, &a->operand[o], wide(m[o]), o == 0, m[o]->slot, (int)m[o]->n_regs))
            return false;
    return true;
}

static bool decode_wmma(ptx_decoder *d, const ptx_ast_insn *a, ptx_insn *i)
{
    wmma_form *f = WS_ARENA_NEW(ptx_decoder_arena(d), wmma_form, 1);
    mma_words name = mma_read(a);
    i->aux = f;
    return ws_str_eqz(a->part[1], "mma") ? decode_product(d, a, i, f, &name)
                                         : decode_move(d, a, i, f, &name, ws_str_eqz(a->part[1], "store"));
}

const ptx_op_row ptx_ops_wmma[] = {
    {"wmma.load.(a b c).sync.aligned.(row col).$wmma{.(global shared shared::cta)}.(f16 bf16 tf32 f32 f64 s8 u8 s4 u4 b1 s32) "
     "{?d}, [a]{, b:u32}", decode_wmma, 0, PTX_UNIT_TENSOR},
    {"wmma.store.d.sync.aligned.(row col).$wmma{.(global shared shared::cta)}.(f16 f32 f64 s32) "
     "[a], {?b}{, c:u32}", decode_wmma, 0, PTX_UNIT_TENSOR},
    {"wmma.mma.sync.aligned.(row col).(row col).(m16n16k16 m8n32k16 m32n8k16).(f16 f32).(f16 f32) "
     "{?d}, {?a}, {?b}, {?c}", decode_wmma, 0, PTX_UNIT_TENSOR},
    {"wmma.mma.sync.aligned.(row col).(row col).(m16n16k16 m8n32k16 m32n8k16).f32.bf16.bf16.f32 "
     "{?d}, {?a}, {?b}, {?c}", decode_wmma, 0, PTX_UNIT_TENSOR},
    {"wmma.mma.sync.aligned.(row col).(row col).m16n16k8.f32.tf32.tf32.f32 "
     "{?d}, {?a}, {?b}, {?c}", decode_wmma, 0, PTX_UNIT_TENSOR},
    {"wmma.mma.sync.aligned.(row col).(row col).m8n8k4{.$rnd}.f64.f64.f64.f64 "
     "{?d}, {?a}, {?b}, {?c}", decode_wmma, 0, PTX_UNIT_TENSOR},
    {"wmma.mma.sync.aligned.(row col).(row col).(m16n16k16 m8n32k16 m32n8k16).s32.(s8 u8).(s8 u8).s32{.satfinite} "
     "{?d}, {?a}, {?b}, {?c}", decode_wmma, 0, PTX_UNIT_TENSOR},
    {"wmma.mma.sync.aligned.row.col.m8n8k32.s32.(s4 u4).(s4 u4).s32{.satfinite} "
     "{?d}, {?a}, {?b}, {?c}", decode_wmma, 0, PTX_UNIT_TENSOR},
    {"wmma.mma.(xor and).popc.sync.aligned.row.col.m8n8k128.s32.b1.b1.s32 "
     "{?d}, {?a}, {?b}, {?c}", decode_wmma, 0, PTX_UNIT_TENSOR},
    {0},
};
