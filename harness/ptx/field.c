/* Instructions over a prime field: see field.h. */
#include "harness/ptx/field_step.h"

#include "harness/ptx/ops.h"

#include <stdio.h>

enum { SHOWN = 96 };

/* The instruction on one line, with single blanks. */
static const char *show(const ptx_ast_insn *a, char out[SHOWN])
{
    size_t n = 0;
    for (size_t k = 0; k < a->text.n && n + 1 < SHOWN; k++) {
        const char c = a->text.p[k];
        const bool blank = c == ' ' || c == '\t' || c == '\n';
        if (!blank || (n && out[n - 1] != ' '))
            out[n++] = blank ? ' ' : c;
    }
    out[n] = 0;
    return out;
}

void ptx_field_leave(ptx_warp *w, const ptx_insn *i, const char *why)
{
    char text[SHOWN];
    ptx_fault_simple(w, i, __builtin_ctz(w->exec), HX_UNSUPPORTED, "'%s' %s",
                     show(i->ast, text), why);
}

/* ---- arithmetic; imm holds the prime and its constant ---- */

#define PRIME const u32 p = (u32)i->imm; const u64 m = (u64)i->imm >> 32; (void)m

static inline u32 put32(u32 e)
{
    return e << 16;
}
static inline u64 put64(u32 e)
{
    return (u64)e << 48;
}
static inline u32 low(u32 v)
{
    return v & 0xffff;
}
static inline u32 pair(u32 lo, u32 hi)
{
    return lo | hi << 16;
}

/* One expression of A, B, C for the four kinds of registers. */
#define FIELD_OP(name, e16, e32, e64, epair, ...)                                                  \
    LANES_HANDLER(name##_16, u16, e16, PRIME; SOURCES(u16, __VA_ARGS__))                           \
    LANES_HANDLER(name##_32, u32, e32, PRIME; SOURCES(u32, __VA_ARGS__))                           \
    LANES_HANDLER(name##_64, u64, e64, PRIME; SOURCES(u64, __VA_ARGS__))                           \
    LANES_HANDLER(name##_x2, u32, epair, PRIME; SOURCES(u32, __VA_ARGS__))
#define SOURCES(T, n) SOURCES_##n(T)
#define SOURCES_1(T)  const T *a = IN(T, i->a)
#define SOURCES_2(T)  const T *a = IN(T, i->a), *b = IN(T, i->b)
#define SOURCES_3(T)  const T *a = IN(T, i->a), *b = IN(T, i->b), *c = IN(T, i->c)

#define FIELD1(name, f)                                                                            \
    FIELD_OP(name, f(a[l]), put32(f(field_of32(a[l]))), put64(f(field_of64(a[l]))),                \
             pair(f(low(a[l])), f(a[l] >> 16)), 1)
#define FIELD2(name, f)                                                                            \
    FIELD_OP(name, f(a[l], b[l]), put32(f(field_of32(a[l]), field_of32(b[l]))),                    \
             put64(f(field_of64(a[l]), field_of64(b[l]))),                                         \
             pair(f(low(a[l]), low(b[l])), f(a[l] >> 16, b[l] >> 16)), 2)
#define FIELD3(name, f)                                                                            \
    FIELD_OP(name, f(a[l], b[l], c[l]),                                                            \
             put32(f(field_of32(a[l]), field_of32(b[l]), field_of32(c[l]))),                       \
             put64(f(field_of64(a[l]), field_of64(b[l]), field_of64(c[l]))),                       \
             pair(f(low(a[l]), low(b[l]), low(c[l])), f(a[l] >> 16, b[l] >> 16, c[l] >> 16)), 3)
#define ADD(x, y)    field_add(x, y, p)
#define SUB(x, y)    field_add(x, field_neg(y, p), p)
#define MUL(x, y)    field_fma(x, y, 0, p, m)
#define DIV(x, y)    field_div(x, y, p)
#define FMA(x, y, z) field_fma(x, y, z, p, m)
#define NEG(x)       field_neg(x, p)
#define RCP(x)       field_div(1, x, p)
FIELD2(add, ADD)
FIELD2(sub, SUB)
FIELD2(mul, MUL)
FIELD2(div, DIV)
FIELD3(fma, FMA)
FIELD1(neg, NEG)
FIELD1(rcp, RCP)

/* ---- what is not in the field ---- */

static void note(ptx_warp *w, const ptx_insn *i)
{
    ptx_grid *g = w->worker->grid;
    if (g->report->note[0])
        return;
    pthread_mutex_lock(&g->lock);
    if (!g->report->note[0]) {
        char text[SHOWN];
        snprintf(g->report->note, sizeof g->report->note, "'%s' leaves the field",
                 show(i->ast, text));
        g->report->note_line = ptx_insn_place(g->ast, i->ast).line;
    }
    pthread_mutex_unlock(&g->lock);
}

/* dsize: bytes of the result */
static void x_outside(ptx_warp *w, const ptx_insn *i)
{
    const u64 all = ~0ull;
    note(w, i);
    EACH_SET(l, w->exec) memcpy(OUT(uint8_t, i->d) + (size_t)l * i->dsize, &all, i->dsize);
}

static void x_decides(ptx_warp *w, const ptx_insn *i)
{
    ptx_field_leave(w, i, "decides by the size of a number, which the field does not have");
}

static void x_beyond(ptx_warp *w, const ptx_insn *i)
{
    ptx_field_leave(w, i, "has no meaning over the field");
}

/* ---- conversions ---- */

static u64 read_lane(const ptx_warp *w, u32 slot, u32 lane, u32 bytes)
{
    u64 v = 0;
    memcpy(&v, IN(uint8_t, slot) + (size_t)lane * bytes, bytes);
    return v;
}

static void write_lane(ptx_warp *w, u32 slot, u32 lane, u32 bytes, u64 v)
{
    memcpy(OUT(uint8_t, slot) + (size_t)lane * bytes, &v, bytes);
}

static u32 element_of(u64 v, u32 bytes)
{
    return bytes == 8 ? field_of64(v) : bytes == 4 ? field_of32((u32)v) : low((u32)v);
}

static u64 code_of(u32 e, u32 bytes)
{
    return bytes == 8 ? put64(e) : bytes == 4 ? put32(e) : e;
}

static bool is_signed(ptx_type t)
{
    return t == PTX_s8 || t == PTX_s16 || t == PTX_s32 || t == PTX_s64;
}

/* esize, dsize: bytes of the registers */
static void x_cvt(ptx_warp *w, const ptx_insn *i)
{
    const ptx_type to = i->match->first, from = i->match->last;
    const u32 p = (u32)i->imm, bits = ptx_type_bytes(from) * 8;
    EACH_SET(l, w->exec) {
        u64 v = read_lane(w, i->a, l, i->esize);
        u32 e;
        if (ptx_type_is_float(from)) {
            e = element_of(v, ptx_type_bytes(from));
        } else {
            v <<= 64 - bits;
            e = is_signed(from) ? ws_field_integer(p, (s64)v >> (64 - bits))
                                : (u32)((v >> (64 - bits)) % p);
        }
        write_lane(w, i->d, l, i->dsize, code_of(e, ptx_type_bytes(to)));
    }
}

LANES_HANDLER(cvt_same, u32, a[l], const u32 *a = IN(u32, i->a)) /* tf32 is kept as f32 is */
LANES_HANDLER(cvt_widen, u32, (u32)a[l] << 16, const u16 *a = IN(u16, i->a))
LANES_HANDLER(cvt_narrow, u16, field_of32(a[l]), const u32 *a = IN(u32, i->a))
LANES_HANDLER(cvt_pair, u32, pair(field_of32(b[l]), field_of32(a[l])),
              const u32 *a = IN(u32, i->a), *b = IN(u32, i->b))

static bool is_half(ptx_type t)
{
    return t == PTX_f16 || t == PTX_bf16;
}

static ptx_handler choose_cvt(const ptx_insn *i)
{
    static const char *const outside[] = {"rni", "rzi", "rmi", "rpi", "sat", "relu"};
    ptx_type to = i->match->first, from = i->match->last;
    bool floats = ptx_type_is_float(to) && ptx_type_is_float(from);
    if (!ptx_type_is_float(to))
        return ptx_type_is_float(from) ? x_decides : NULL;
    for (size_t k = 0; floats && k < WS_COUNT(outside); k++)
        if (ptx_has(i->ast, outside[k]))
            return x_outside;
    if (to == PTX_tf32)
        return x_cvt_same;
    if (to == PTX_f16x2 || to == PTX_bf16x2)
        return from == PTX_f32 && i->ast->n_operands == 3 ? x_cvt_pair : x_beyond;
    if (ptx_type_bytes(from) == 2 && !floats && (from == PTX_e4m3x2 || from == PTX_e5m2x2))
        return x_beyond;
    if (is_half(from) && to == PTX_f32 && i->esize == 2)
        return x_cvt_widen;
    return from == PTX_f32 && is_half(to) && i->dsize == 2 ? x_cvt_narrow : x_cvt;
}

/* ---- which handler ---- */

enum { K_16, K_32, K_64, K_X2, KINDS };

static int kind_of(ptx_type t)
{
    switch (t) {
    case PTX_f16: case PTX_bf16: return K_16;
    case PTX_f32: return K_32;
    case PTX_f64: return K_64;
    case PTX_f16x2: case PTX_bf16x2: return K_X2;
    default: return -1;
    }
}

#define KINDS_OF(name) {x_##name##_16, x_##name##_32, x_##name##_64, x_##name##_x2}
#define EVERY(handler) {handler, handler, handler, handler}
static const struct {
    const char *op;
    ptx_handler run[KINDS];
} rows[] = {
    {"add", KINDS_OF(add)}, {"sub", KINDS_OF(sub)}, {"mul", KINDS_OF(mul)},
    {"fma", KINDS_OF(fma)}, {"mad", KINDS_OF(fma)}, {"neg", KINDS_OF(neg)},
    {"div", KINDS_OF(div)}, {"rcp", KINDS_OF(rcp)},
    {"min", EVERY(x_outside)}, {"max", EVERY(x_outside)}, {"abs", EVERY(x_outside)},
    {"sqrt", EVERY(x_outside)}, {"rsqrt", EVERY(x_outside)}, {"ex2", EVERY(x_outside)},
    {"lg2", EVERY(x_outside)}, {"sin", EVERY(x_outside)}, {"cos", EVERY(x_outside)},
    {"tanh", EVERY(x_outside)}, {"copysign", EVERY(x_outside)},
    {"setp", EVERY(x_decides)}, {"set", EVERY(x_decides)}, {"testp", EVERY(x_decides)},
    {"redux", EVERY(x_beyond)},
};

static ptx_handler choose_float(ptx_insn *i, ptx_type t)
{
    int kind = kind_of(t);
    bool mixed = i->match->first != t && i->match->first != PTX_TYPE_NONE; /* add.f32.f16 */
    for (size_t k = 0; kind >= 0 && k < WS_COUNT(rows); k++) {
        if (!ws_str_eqz(i->ast->part[0], rows[k].op))
            continue;
        ptx_handler run = rows[k].run[kind];
        if (run == x_decides || run == x_beyond)
            return run;
        i->dsize = (uint8_t)ptx_type_bytes(t);
        return mixed                                               ? x_beyond
               : ptx_has(i->ast, "sat") || ptx_has(i->ast, "relu") ? x_outside
                                                                   : run;
    }
    return x_beyond;
}

static bool is_op(const ptx_insn *i, const char *name)
{
    return ws_str_eqz(i->ast->part[0], name);
}

static bool is_matrix(const ptx_insn *i)
{
    return is_op(i, "mma") || is_op(i, "wmma") || is_op(i, "wgmma");
}

/* Whether a word names numbers that are none of the field's: fp8 and narrower, sparse, textures. */
static bool is_foreign(const ptx_insn *i)
{
    static const char *const ops[] = {"tex", "tld4", "suld", "sust", "sured", "call", NULL};
    static const char *const words[] = {"e4m3", "e5m2", "e2m1", "e3m2", "e2m3", "sp", "f32x2",
                                        "e4m3x2", "e5m2x2", "e2m1x2", "e2m3x2", "e3m2x2",
                                        "ue8m0x2", "block_scale", "m8n8k4", NULL};
    for (int k = 0; ops[k]; k++)
        if (is_op(i, ops[k]))
            return true;
    for (int k = 0; words[k]; k++)
        if (ptx_has(i->ast, words[k]) && !ptx_has(i->ast, "f64"))
            return true;
    return false;
}

/* The handler over the field; NULL: as it is. */
static ptx_handler choose(ptx_insn *i)
{
    static const char *const moves[] = {"ld", "ldu", "st", "mov", "selp", "atom", "red", NULL};
    ptx_type t = i->match ? i->match->last : PTX_TYPE_NONE;
    if (!i->match)
        return NULL;
    if (is_foreign(i))
        return x_beyond;
    if (is_op(i, "cvt"))
        return choose_cvt(i);
    for (int k = 0; moves[k]; k++)
        if (is_op(i, moves[k]))
            return (is_op(i, "atom") || is_op(i, "red")) && ptx_type_is_float(t) &&
                           !ptx_has(i->ast, "add")
                       ? x_beyond
                       : NULL;
    if (is_op(i, "cp"))
        return ptx_type_is_float(t) && !ptx_has(i->ast, "add") ? x_beyond : NULL;
    if (is_matrix(i))
        return NULL;
    if (is_op(i, "slct"))
        return t == PTX_f32 ? x_decides : NULL;
    return ptx_type_is_float(t) ? choose_float(i, t) : NULL;
}

void ptx_field_bind(ptx_program *p, ptx_code *c, const ptx_field *field)
{
    const size_t at = (size_t)((c->fn->address - PTX_FUNC_BASE) / PTX_FUNC_STEP);
    const ptx_field_func *f = field->func[at];
    const u64 prime = field->prime | field_constant(field->prime) << 32;
    c->field = WS_ARENA_NEW(&p->arena, ptx_field_step, c->n + 1);
    if (f->mixed && !p->field_mixed)
        p->field_mixed = f->mixed;
    for (uint32_t k = 0; k < c->n; k++) {
        ptx_insn *i = &c->insn[k];
        ptx_handler run = choose(i);
        if (run) {
            i->run = run;
            i->imm = (int64_t)prime;
        } else if (k + 1 < c->n && f->access[k]) {
            c->field[k] = (ptx_field_step){i->run, f->access[k], field->blind_shared,
                                               field->blind_global};
            i->run = ptx_field_access_memory;
        }
    }
}

bool ptx_field_may_run(const ptx_program *p, const ptx_ast *ast, ptx_report *r)
{
    const ptx_ast_insn *a = p->field_mixed;
    if (!a || r->n_faults == PTX_MAX_FAULTS)
        return !a;
    ptx_fault *f = &r->fault[r->n_faults++];
    *f = (ptx_fault){.reason = HX_UNSUPPORTED, .ptx_line = a->ptx_line};
    char text[SHOWN];
    ptx_place place = ptx_insn_place(ast, a);
    f->line = place.line;
    snprintf(f->file, sizeof f->file, "%s", place.file);
    snprintf(f->kernel, sizeof f->kernel, "%s", p->info->name);
    snprintf(f->text, sizeof f->text,
             "'%s' uses the bits of a floating-point number, which are others over the field",
             show(a, text));
    r->ok = false;
    return false;
}
