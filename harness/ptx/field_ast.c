/* What registers hold, and constants as elements of the field: see field.h. */
#include "base/dtype.h"
#include "harness/ptx/field.h"

#include <stdlib.h>
#include <string.h>

enum { FORMAT_F16 = 1, FORMAT_BF16 = 2, FORMAT_F32 = 4, FORMAT_F64 = 8 };

static const struct {
    ptx_type type;
    uint8_t format, bytes; /* of one number */
    uint8_t digits;
} formats[] = {
    {PTX_f16, FORMAT_F16, 2, 11},   {PTX_f16x2, FORMAT_F16, 2, 11}, {PTX_bf16, FORMAT_BF16, 2, 8},
    {PTX_bf16x2, FORMAT_BF16, 2, 8}, {PTX_f32, FORMAT_F32, 4, 24},   {PTX_tf32, FORMAT_F32, 4, 24},
    {PTX_f64, FORMAT_F64, 8, 53},
};

static int format_of(ptx_type t)
{
    for (size_t k = 0; k < WS_COUNT(formats); k++)
        if (formats[k].type == t)
            return (int)k;
    return -1;
}

bool ptx_type_is_float(ptx_type t)
{
    return format_of(t) >= 0;
}

/* ---- constants ---- */

static double number_of(ptx_type t, uint64_t bits)
{
    float f;
    double d;
    uint32_t low = (uint32_t)bits;
    switch (t) {
    case PTX_f64: memcpy(&d, &bits, sizeof d); return d;
    case PTX_f32: case PTX_tf32: memcpy(&f, &low, sizeof f); return (double)f;
    case PTX_f16: case PTX_f16x2: return ws_f16_to_f64((uint16_t)bits);
    default: return ws_bf16_to_f64((uint16_t)bits);
    }
}

uint64_t ptx_field_encode(uint32_t prime, ptx_type t, uint64_t bits)
{
    int k = format_of(t);
    uint32_t one = formats[k].bytes * 8u, all = ptx_type_bytes(t) * 8;
    uint64_t out = 0;
    for (uint32_t at = 0; at < all; at += one) {
        uint64_t part = one == 64 ? bits : bits >> at & ((1ull << one) - 1);
        uint64_t e = ws_field_number(prime, number_of(t, part), formats[k].digits);
        out |= e << (one - 16) << at;
    }
    return out;
}

/* ---- classes of registers ---- */

typedef struct analysis {
    ws_arena *arena;
    const ptx_ast *ast;
    const ptx_func *fn;
    uint32_t prime;
    int *parent;             /* per register: union-find */
    bool *is_zero;           /* set once, to zero: it is whatever reads it */
    const ptx_ast_insn **is_swapped; /* set once, by this compare-and-swap: what the memory held */
    const ptx_operand **is_set_to; /* set once, to an immediate; else NULL */
    ptx_field_class **of;    /* per register that leads its class */
    ptx_field_func *out;
    ptx_field *field;
} analysis;

static int leader(analysis *x, int r)
{
    while (x->parent[r] != r)
        r = x->parent[r] = x->parent[x->parent[r]];
    return r;
}

/* A register of data whose class matters. */
static bool is_data(const analysis *x, const ptx_operand *o)
{
    return o->kind == PTX_OPD_REG && o->reg >= 0 && x->fn->reg[o->reg].type != PTX_pred &&
           !x->is_zero[o->reg];
}

static void mark(analysis *x, const ptx_ast_insn *a, int reg, uint8_t holds, uint8_t format)
{
    ptx_field_class *c = x->of[leader(x, reg)];
    c->holds |= holds;
    c->formats |= format;
    if (!c->first[holds - 1])
        c->first[holds - 1] = a;
}

/* Calls f for the operand, or for each of its elements. */
typedef void (*each_fn)(analysis *x, const ptx_ast_insn *a, const ptx_operand *o, uint32_t how);
static void each(analysis *x, const ptx_ast_insn *a, const ptx_operand *o, each_fn f, uint32_t how)
{
    if (o->kind == PTX_OPD_VEC)
        for (int e = 0; e < o->n_elem; e++)
            f(x, a, &o->elem[e], how);
    else
        f(x, a, o, how);
}

static void mark_int(analysis *x, const ptx_ast_insn *a, const ptx_operand *o, uint32_t how)
{
    (void)how;
    if (o->kind == PTX_OPD_ADDR && o->reg >= 0)
        mark(x, a, o->reg, PTX_HOLDS_INT, 0);
    for (int e = 0; o->kind == PTX_OPD_ADDR && e < o->n_elem; e++)
        mark_int(x, a, &o->elem[e], how);
    if (is_data(x, o))
        mark(x, a, o->reg, PTX_HOLDS_INT, 0);
}

/* how: the format */
static void mark_float(analysis *x, const ptx_ast_insn *a, const ptx_operand *o, uint32_t how)
{
    if (is_data(x, o))
        mark(x, a, o->reg, PTX_HOLDS_FLOAT, (uint8_t)how);
}

static void mark_blind(analysis *x, const ptx_ast_insn *a, const ptx_operand *o, uint32_t how)
{
    (void)a, (void)how;
    if (is_data(x, o))
        x->of[leader(x, o->reg)]->is_loaded_blindly = true;
}

static void join(analysis *x, int r, int s)
{
    ptx_field_class *to = x->of[leader(x, r)], *from = x->of[leader(x, s)];
    if (to == from)
        return;
    x->parent[leader(x, s)] = leader(x, r);
    to->holds |= from->holds;
    to->formats |= from->formats;
    to->is_loaded_blindly |= from->is_loaded_blindly;
    for (int k = 0; k < 2; k++)
        if (!to->first[k])
            to->first[k] = from->first[k];
}

/* how: the register to join with. What is no register tells what the class holds: a literal in
 * floating point, an address, a special register. */
static void copy_from(analysis *x, const ptx_ast_insn *a, const ptx_operand *o, uint32_t how)
{
    int d = (int)how;
    if (is_data(x, o)) {
        join(x, d, o->reg);
    } else if (o->kind == PTX_OPD_IMM && o->is_float && o->imm) {
        const bool wide = o->float_bytes == 8 && ptx_type_bytes(x->fn->reg[d].type) == 8;
        mark(x, a, d, PTX_HOLDS_FLOAT, wide ? FORMAT_F64 : FORMAT_F32);
    } else if (o->kind == PTX_OPD_SREG || o->kind == PTX_OPD_VAR || o->kind == PTX_OPD_FUNC) {
        mark(x, a, d, PTX_HOLDS_INT, 0);
    }
}

/* d = one of the others, or they are its parts. */
static void copies(analysis *x, const ptx_ast_insn *a, int first, int last)
{
    const ptx_operand *d = &a->operand[0];
    for (int e = 0; e < (d->kind == PTX_OPD_VEC ? d->n_elem : 1); e++) {
        const ptx_operand *to = d->kind == PTX_OPD_VEC ? &d->elem[e] : d;
        if (!is_data(x, to))
            continue;
        for (int o = first; o <= last && o < a->n_operands; o++)
            each(x, a, &a->operand[o], copy_from, (uint32_t)to->reg);
    }
}

static void ints(analysis *x, const ptx_ast_insn *a, int first)
{
    for (int o = first; o < a->n_operands; o++)
        each(x, a, &a->operand[o], mark_int, 0);
}

static void floats(analysis *x, const ptx_ast_insn *a, int first, int last, ptx_type t)
{
    for (int o = first; o <= last && o < a->n_operands; o++)
        each(x, a, &a->operand[o], mark_float, formats[format_of(t)].format);
}

/* ---- what instructions do ---- */

static ptx_type type_at(const ptx_ast_insn *a, int part)
{
    return part > 0 && part < a->n_parts ? ptx_type_find(a->part[part]) : PTX_TYPE_NONE;
}

/* The n-th word that is a type, -1: the last one. */
static ptx_type nth_type(const ptx_ast_insn *a, int n)
{
    ptx_type last = PTX_TYPE_NONE;
    for (int p = 1; p < a->n_parts; p++) {
        ptx_type t = type_at(a, p);
        if (t == PTX_TYPE_NONE)
            continue;
        last = t;
        if (n-- == 0)
            return t;
    }
    return n < 0 ? last : PTX_TYPE_NONE;
}

static bool has(const ptx_ast_insn *a, const char *word)
{
    for (int p = 1; p < a->n_parts; p++)
        if (ws_str_eqz(a->part[p], word))
            return true;
    return false;
}

static bool is_op(const ptx_ast_insn *a, const char *name)
{
    return ws_str_eqz(a->part[0], name);
}

/* An immediate, or a register that is set to one once. */
static bool find_number(const analysis *x, const ptx_ast_insn *a, int o, uint64_t *n)
{
    const ptx_operand *at = o < a->n_operands ? &a->operand[o] : NULL;
    if (at && at->kind == PTX_OPD_REG && at->reg >= 0)
        at = x->is_set_to[at->reg];
    if (!at || at->kind != PTX_OPD_IMM || at->is_float)
        return false;
    *n = (uint64_t)at->imm;
    return true;
}

static bool is_number(const analysis *x, const ptx_ast_insn *a, int o, uint64_t n)
{
    uint64_t is;
    return find_number(x, a, o, &is) && (is == n || (uint32_t)is == n);
}

/* Whether the selector takes halves as they are. */
static bool moves_halves(uint64_t selector)
{
    for (int h = 0; h < 2; h++, selector >>= 8)
        if ((selector & 0x88) || (selector & 1) || (selector >> 4 & 7) != (selector & 7) + 1)
            return false;
    return true;
}

/* Integer instructions that move halves of 32 bits about. */
static bool moves_bits(const analysis *x, const ptx_ast_insn *a)
{
    ptx_type t = nth_type(a, -1);
    uint64_t n;
    if (ptx_type_bytes(t) != 4 && !is_op(a, "cvt"))
        return false;
    if (is_op(a, "shl") || is_op(a, "shr"))
        return is_number(x, a, 2, 16) && t != PTX_s32;
    if (is_op(a, "and"))
        return is_number(x, a, 2, 0xffff) || is_number(x, a, 2, 0xffff0000);
    if (is_op(a, "prmt"))
        return a->n_parts == 2 && find_number(x, a, 3, &n) && moves_halves(n);
    if (is_op(a, "bfi"))
        return is_number(x, a, 4, 16) && (is_number(x, a, 3, 16) || is_number(x, a, 3, 0));
    return is_op(a, "cvt") && ((nth_type(a, 0) == PTX_u32 && t == PTX_u16) ||
                               (nth_type(a, 0) == PTX_u16 && t == PTX_u32));
}

static void do_load(analysis *x, const ptx_ast_insn *a, int data, ptx_type t)
{
    if (ptx_type_is_float(t))
        floats(x, a, data, data, t);
    else if (ptx_type_bytes(t) == 1)
        each(x, a, &a->operand[data], mark_int, 0);
    each(x, a, &a->operand[1 - data], mark_int, 0);
}

static void do_atomic(analysis *x, const ptx_ast_insn *a, ptx_type t)
{
    int address = is_op(a, "red") ? 0 : 1;
    each(x, a, &a->operand[address], mark_int, 0);
    if (ptx_type_is_float(t)) {
        floats(x, a, 0, a->n_operands - 1, t);
    } else if (has(a, "exch") || has(a, "cas")) {
        copies(x, a, 2, 3);
        for (int o = 2; o < 4 && o < a->n_operands && !is_data(x, &a->operand[0]); o++)
            each(x, a, &a->operand[o], mark_blind, 0);
    } else {
        ints(x, a, 0);
    }
}

static void do_cvt(analysis *x, const ptx_ast_insn *a)
{
    ptx_type to = nth_type(a, 0), from = nth_type(a, -1);
    bool floating[2] = {ptx_type_is_float(to), ptx_type_is_float(from)};
    if (floating[0])
        floats(x, a, 0, 0, to);
    else
        each(x, a, &a->operand[0], mark_int, 0);
    if (floating[1])
        floats(x, a, 1, a->n_operands - 1, from);
    else
        ints(x, a, 1);
}

/* Whether a compare-and-swap found what it was to find: elements have one code each. */
static bool compares_swapped(const analysis *x, const ptx_ast_insn *a)
{
    if (!is_op(a, "setp") || (!has(a, "eq") && !has(a, "ne")) || a->n_operands < 3)
        return false;
    for (int o = 1; o < 3; o++) {
        const ptx_operand *got = &a->operand[o], *with = &a->operand[3 - o];
        const bool is_reg = got->kind == PTX_OPD_REG && got->reg >= 0;
        const ptx_ast_insn *cas = is_reg ? x->is_swapped[got->reg] : NULL;
        if (cas && with->kind == PTX_OPD_REG && cas->operand[2].kind == PTX_OPD_REG &&
            with->reg == cas->operand[2].reg)
            return true;
    }
    return false;
}

/* Types of matrix instructions are those of D, A, B, C; wmma does not name f16 operands. */
static void do_matrix(analysis *x, const ptx_ast_insn *a)
{
    ptx_type t = nth_type(a, 0);
    if (is_op(a, "wgmma") && !has(a, "mma_async"))
        return;
    if (!ptx_type_is_float(t)) {
        ints(x, a, 0);
        return;
    }
    bool moves = is_op(a, "wmma") && !has(a, "mma");
    ptx_type operand[4] = {t, nth_type(a, 1), nth_type(a, 2), nth_type(a, 3)};
    if (operand[3] == PTX_TYPE_NONE) {
        operand[3] = is_op(a, "wmma") ? operand[1] : t;
        operand[1] = operand[2] = is_op(a, "wmma") ? PTX_f16 : nth_type(a, 1);
    }
    for (int o = 0; o < a->n_operands; o++) {
        bool matrix = a->operand[o].kind == PTX_OPD_VEC || (is_op(a, "mma") && o < 4);
        ptx_type of = moves ? t : operand[o < 4 ? o : 3];
        if (matrix && ptx_type_is_float(of))
            floats(x, a, o, o, of);
        else
            each(x, a, &a->operand[o], mark_int, 0);
    }
}

/* Copies that are no loads and stores: where they write. */
static void note_blind(ptx_field *field, const ptx_ast_insn *a)
{
    bool stores = is_op(a, "st") && (has(a, "async") || has(a, "bulk"));
    if (!is_op(a, "cp") && !is_op(a, "stmatrix") && !stores)
        return;
    for (int p = 1; p < a->n_parts; p++)
        if (a->part[p].n >= 6 && (memcmp(a->part[p].p, "global", 6) == 0 ||
                                  memcmp(a->part[p].p, "shared", 6) == 0)) {
            *(a->part[p].p[0] == 'g' ? &field->blind_global : &field->blind_shared) = true;
            return;
        }
    field->blind_shared = true;
}

/* The parser takes any number of operands; what has too few never runs. */
static bool has_operands(const ptx_ast_insn *a)
{
    static const struct {
        const char *op;
        int least;
    } operands[] = {{"mov", 2}, {"movmatrix", 2}, {"selp", 3}, {"slct", 3}, {"ld", 2}, {"ldu", 2},
                    {"st", 2}, {"ldmatrix", 2}, {"stmatrix", 2}, {"atom", 3},
                    {"red", 2}, {"cvt", 2}};
    for (size_t k = 0; k < WS_COUNT(operands); k++)
        if (is_op(a, operands[k].op))
            return a->n_operands >= operands[k].least;
    return true;
}

static void do_insn(analysis *x, const ptx_ast_insn *a)
{
    ptx_type t = nth_type(a, -1);
    note_blind(x->field, a);
    if (is_op(a, "mov") || is_op(a, "movmatrix")) {
        copies(x, a, 1, 1);
        if (ptx_type_is_float(t))
            floats(x, a, 0, 1, t);
    } else if (is_op(a, "selp") || is_op(a, "slct")) {
        ptx_type of = is_op(a, "slct") ? nth_type(a, 0) : t;
        copies(x, a, 1, 2);
        if (ptx_type_is_float(of))
            floats(x, a, 0, 2, of);
        if (is_op(a, "slct") && !ptx_type_is_float(t))
            ints(x, a, 3);
        else if (is_op(a, "slct"))
            floats(x, a, 3, 3, t);
    } else if (is_op(a, "shfl")) {
        copies(x, a, 1, 1);
        ints(x, a, 2);
    } else if (moves_bits(x, a)) {
        copies(x, a, 1, is_op(a, "prmt") || is_op(a, "bfi") ? 2 : 1);
    } else if (is_op(a, "ld") || is_op(a, "ldu")) {
        do_load(x, a, 0, t);
    } else if (is_op(a, "st")) {
        do_load(x, a, 1, t);
        ints(x, a, 2);
    } else if (is_op(a, "ldmatrix") || is_op(a, "stmatrix")) {
        each(x, a, &a->operand[is_op(a, "ldmatrix") ? 0 : 1], mark_blind, 0);
        each(x, a, &a->operand[is_op(a, "ldmatrix") ? 1 : 0], mark_int, 0);
    } else if (is_op(a, "atom") || is_op(a, "red")) {
        do_atomic(x, a, t);
    } else if (is_op(a, "cvt")) {
        do_cvt(x, a);
    } else if (is_op(a, "cp")) {
        ints(x, a, 0); /* addresses and sizes; the type is that of what is in memory */
    } else if (is_op(a, "mma") || is_op(a, "wmma") || is_op(a, "wgmma")) {
        do_matrix(x, a);
    } else if (is_op(a, "set") && ptx_type_is_float(t)) {
        floats(x, a, 1, 2, t);
        each(x, a, &a->operand[0], mark_int, 0);
    } else if (ptx_type_is_float(t)) {
        floats(x, a, 0, a->n_operands - 1, t);
    } else if (!compares_swapped(x, a)) {
        ints(x, a, 0);
    }
}

/* ---- registers that are set once ---- */

static void count_set(const ptx_operand *o, int *times)
{
    for (int e = 0; o->kind == PTX_OPD_VEC && e < o->n_elem; e++)
        count_set(&o->elem[e], times);
    if (o->kind == PTX_OPD_REG && o->reg >= 0)
        times[o->reg]++;
}

static void find_set_once(analysis *x)
{
    const ptx_func *f = x->fn;
    int *times = ws_calloc((size_t)f->n_regs + 1, sizeof *times);
    for (int i = 0; i < f->n_insns; i++)
        if (f->insn[i].n_operands && !is_op(&f->insn[i], "st") && !is_op(&f->insn[i], "red"))
            count_set(&f->insn[i].operand[0], times);
    for (int i = 0; i < f->n_insns; i++) {
        const ptx_ast_insn *a = &f->insn[i];
        const ptx_operand *d = a->operand;
        if (!a->n_operands || !has_operands(a) || d->kind != PTX_OPD_REG || d->reg < 0 ||
            times[d->reg] != 1)
            continue;
        bool is_set = is_op(a, "mov") && a->guard < 0 && a->operand[1].kind == PTX_OPD_IMM;
        x->is_zero[d->reg] = is_set && !a->operand[1].imm;
        x->is_set_to[d->reg] = is_set ? &a->operand[1] : NULL;
        x->is_swapped[d->reg] = is_op(a, "atom") && has(a, "cas") ? a : NULL;
    }
    free(times);
}

/* ---- constants, and what memory instructions move ---- */

static ptx_type one_format(uint8_t set, uint32_t bytes)
{
    switch (set) {
    case FORMAT_F64: return bytes == 8 ? PTX_f64 : PTX_TYPE_NONE;
    case FORMAT_F32: return bytes == 4 ? PTX_f32 : PTX_TYPE_NONE;
    case FORMAT_F32 | FORMAT_BF16:
        return bytes == 4 ? PTX_f32 : bytes == 2 ? PTX_bf16 : PTX_TYPE_NONE;
    case FORMAT_BF16: return bytes == 4 ? PTX_bf16x2 : bytes == 2 ? PTX_bf16 : PTX_TYPE_NONE;
    case FORMAT_F16: return bytes == 4 ? PTX_f16x2 : bytes == 2 ? PTX_f16 : PTX_TYPE_NONE;
    default: return PTX_TYPE_NONE;
    }
}

/* The bits of a literal as a number of type t. */
static uint64_t literal_bits(const ptx_operand *o, ptx_type t)
{
    uint64_t bits = (uint64_t)o->imm;
    double d;
    float f;
    uint32_t low = (uint32_t)bits;
    if (!o->is_float || o->float_bytes == ptx_type_bytes(t))
        return bits;
    if (o->float_bytes == 8 && t == PTX_f32) {
        memcpy(&d, &bits, sizeof d);
        f = (float)d;
        memcpy(&low, &f, sizeof f);
        return low;
    }
    if (o->float_bytes == 4 && t == PTX_f64) {
        memcpy(&f, &low, sizeof f);
        d = (double)f;
        memcpy(&bits, &d, sizeof d);
    }
    return bits;
}

static void encode(const analysis *x, ptx_operand *o, ptx_type t)
{
    if (o->kind != PTX_OPD_IMM || t == PTX_TYPE_NONE)
        return;
    uint32_t bytes = ptx_type_bytes(t);
    o->imm = (int64_t)ptx_field_encode(x->prime, t, literal_bits(o, t));
    o->is_float = o->is_float && bytes >= 4;
    o->float_bytes = (uint8_t)bytes;
}

/* A constant that goes into register d. */
static void encode_for(analysis *x, const ptx_ast_insn *a, const ptx_operand *d, ptx_operand *o)
{
    if (o->kind != PTX_OPD_IMM || !o->imm || !is_data(x, d))
        return;
    ptx_field_class *c = x->of[leader(x, d->reg)];
    ptx_type t = one_format(c->formats, ptx_type_bytes(x->fn->reg[d->reg].type));
    if (!(c->holds & PTX_HOLDS_FLOAT))
        mark(x, a, d->reg, PTX_HOLDS_INT, 0);
    else if (t != PTX_TYPE_NONE)
        encode(x, o, t);
    else
        x->out->mixed = x->out->mixed ? x->out->mixed : a; /* in which format is not clear */
}

static uint8_t encode_stored(const analysis *x, ptx_operand *o, ptx_type t)
{
    if (o->kind != PTX_OPD_IMM || !o->imm)
        return o->kind == PTX_OPD_IMM || o->kind == PTX_OPD_REG ? 0 : PTX_HOLDS_INT;
    if (!ptx_type_is_float(t) && o->is_float)
        t = ptx_type_bytes(t) == 4 ? PTX_f32 : ptx_type_bytes(t) == 8 ? PTX_f64 : t;
    if (!ptx_type_is_float(t))
        return PTX_HOLDS_INT;
    encode(x, o, t);
    return PTX_HOLDS_FLOAT;
}

static void note_element(analysis *x, ptx_field_access *m, ptx_operand *o, ptx_type t)
{
    if (m->n == PTX_FIELD_ELEMENTS)
        return;
    m->constant[m->n] = encode_stored(x, o, t);
    m->of[m->n++] = is_data(x, o) ? x->of[leader(x, o->reg)] : NULL;
}

static bool is_access(const ptx_ast_insn *a)
{
    static const char *const names[] = {"ld", "ldu", "st", "atom", "red", NULL};
    for (int k = 0; names[k]; k++)
        if (is_op(a, names[k]))
            return true;
    return false;
}

/* Of the copy `a`, whose operands may be written to. */
static const ptx_field_access *describe_access(analysis *x, ptx_ast_insn *a)
{
    ptx_field_access *m = WS_ARENA_NEW(x->arena, ptx_field_access, 1);
    ptx_operand *o = &a->operand[is_op(a, "ld") || is_op(a, "ldu") ? 0
                                 : is_op(a, "atom")                ? 2
                                                                   : 1];
    ptx_type t = nth_type(a, -1);
    for (int e = 0; o->kind == PTX_OPD_VEC && e < o->n_elem; e++)
        note_element(x, m, &o->elem[e], t);
    if (o->kind != PTX_OPD_VEC)
        note_element(x, m, o, t);
    for (int c = 3; is_op(a, "atom") && has(a, "cas") && c < a->n_operands; c++)
        encode_stored(x, &a->operand[c], t);
    return m;
}

static void encode_operands(analysis *x, ptx_ast_insn *a)
{
    /* done already, or with immediates that are no numbers: strides, signs, masks */
    static const char *const others[] = {"mov",  "selp",  "slct",  "mma",
                                         "wmma", "wgmma", "redux", "cp",   NULL};
    ptx_type t = nth_type(a, -1);
    if (is_op(a, "mov") && a->operand[1].kind == PTX_OPD_IMM)
        encode_for(x, a, &a->operand[0], &a->operand[1]);
    for (int e = 0; is_op(a, "mov") && a->operand[1].kind == PTX_OPD_VEC &&
                    e < a->operand[1].n_elem; e++)
        if (a->operand[1].elem[e].kind == PTX_OPD_IMM && a->operand[1].elem[e].imm)
            x->out->mixed = x->out->mixed ? x->out->mixed : a;
    if (is_op(a, "selp") || is_op(a, "slct"))
        for (int o = 1; o < 3; o++)
            encode_for(x, a, &a->operand[0], &a->operand[o]);
    if (!ptx_type_is_float(t))
        return;
    for (int k = 0; others[k]; k++)
        if (is_op(a, others[k]))
            return;
    for (int o = 1; o < a->n_operands; o++)
        encode(x, &a->operand[o], t);
}

/* ---- a function ---- */

static ptx_operand *copy_operands(ws_arena *a, const ptx_operand *o, int n)
{
    ptx_operand *out = WS_ARENA_NEW(a, ptx_operand, n + 1);
    if (n)
        memcpy(out, o, (size_t)n * sizeof *o);
    for (int k = 0; k < n; k++)
        if (o[k].n_elem)
            out[k].elem = copy_operands(a, o[k].elem, o[k].n_elem);
    return out;
}

static void find_mixed(analysis *x)
{
    for (int r = 0; r < x->fn->n_regs && !x->out->mixed; r++) {
        const ptx_field_class *c = x->of[leader(x, r)];
        bool blind = c->is_loaded_blindly && c->holds != PTX_HOLDS_FLOAT;
        if (c->holds == PTX_HOLDS_BOTH || (blind && c->first[0]))
            x->out->mixed = c->first[0];
    }
}

static const ptx_field_func *translate(analysis *x, ptx_func *copy)
{
    const ptx_func *f = x->fn;
    size_t n = (size_t)f->n_regs + 1;
    x->parent = ws_calloc(n, sizeof *x->parent);
    x->is_zero = ws_calloc(n, 1);
    x->is_swapped = ws_calloc(n, sizeof *x->is_swapped);
    x->is_set_to = ws_calloc(n, sizeof *x->is_set_to);
    x->of = ws_calloc(n, sizeof *x->of);
    x->out = WS_ARENA_NEW(x->arena, ptx_field_func, 1);
    x->out->access = WS_ARENA_NEW(x->arena, const ptx_field_access *, f->n_insns + 1);
    copy->insn = WS_ARENA_NEW(x->arena, ptx_ast_insn, f->n_insns + 1);
    for (int r = 0; r < f->n_regs; r++) {
        x->parent[r] = r;
        x->of[r] = WS_ARENA_NEW(x->arena, ptx_field_class, 1);
    }
    find_set_once(x);
    for (int i = 0; i < f->n_insns; i++)
        if (has_operands(&f->insn[i]))
            do_insn(x, &f->insn[i]);
    for (int i = 0; i < f->n_insns; i++) {
        ptx_ast_insn *a = &copy->insn[i];
        *a = f->insn[i];
        a->operand = copy_operands(x->arena, a->operand, a->n_operands);
        if (!has_operands(a))
            continue;
        if (is_access(a))
            x->out->access[i] = describe_access(x, a);
        else
            encode_operands(x, a);
    }
    find_mixed(x);
    free(x->parent);
    free(x->is_zero);
    free(x->is_swapped);
    free(x->is_set_to);
    free(x->of);
    return x->out;
}

const ptx_ast *ptx_field_ast(ws_arena *arena, const ptx_ast *ast, uint32_t prime)
{
    ptx_ast *out = WS_ARENA_NEW(arena, ptx_ast, 1);
    ptx_field *field = WS_ARENA_NEW(arena, ptx_field, 1);
    *out = *ast;
    out->func = WS_ARENA_NEW(arena, ptx_func *, ast->n_funcs + 1);
    field->prime = prime;
    field->func = WS_ARENA_NEW(arena, const ptx_field_func *, ast->n_funcs + 1);
    out->field = field;
    for (int f = 0; f < ast->n_funcs; f++) {
        analysis x = {.arena = arena, .ast = ast, .fn = ast->func[f], .prime = prime,
                      .field = field};
        out->func[f] = WS_ARENA_NEW(arena, ptx_func, 1);
        *out->func[f] = *ast->func[f];
        field->func[f] = translate(&x, out->func[f]);
    }
    return out;
}
