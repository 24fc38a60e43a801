/* The arithmetic instructions of the PTX engine, one at a time: a text is parsed and decoded, its
 * registers are filled lane by lane, and the handlers run on a bare warp. Expected values are of
 * the PTX ISA's rules. */
#include "base/dtype.h"
#include "harness/ptx/lanes.h"
#include "harness/ptx/parse.h"
#include "harness/ptx/ops.h"
#include "tests/tap.h"

#include <fenv.h>
#include <stdlib.h>

/* ---- one instruction on a bare warp ---- */

enum { MAX_REGS = 8, MAX_INSNS = 16, POISON = 0xa5 };

/* Registers of the text are named by width: %h 2 bytes, %r and %f 4, %d and %g 8, %p predicates.
 * Number 0 and 9 are results, 1.. are sources. */
typedef struct fixture {
    ws_arena arena;
    ptx_program *program;
    ptx_warp w;
    ptx_frame frame;
    const ptx_insn *insn;     /* under test */
    char name[MAX_REGS][4];
    u32 slot[MAX_REGS];
    int n_regs;
    uint8_t *memory;
} fixture;

static u32 width_of(const char *reg)
{
    return reg[1] == 'p' ? 0 : reg[1] == 'h' ? 2 : reg[1] == 'r' || reg[1] == 'f' ? 4 : 8;
}

static void find_registers(fixture *x, const char *op)
{
    for (const char *p = strchr(op, '%'); p; p = strchr(p + 1, '%')) {
        bool known = false;
        for (int r = 0; r < x->n_regs; r++)
            known |= strncmp(x->name[r], p, 3) == 0;
        if (!known && x->n_regs < MAX_REGS)
            snprintf(x->name[x->n_regs++], 4, "%.3s", p);
    }
}

/* false: the engine does not support the instruction */
static bool setup(fixture *x, const char *op)
{
    ws_buf text = {0};
    ws_err err = {0};
    ptx_ast *ast = NULL;
    *x = (fixture){0};
    find_registers(x, op);
    ws_buf_adds(&text,
                ".version 8.7\n.target sm_90a\n.address_size 64\n.visible .entry k()\n{\n"
                ".reg .pred %p<10>;\n.reg .b16 %h<10>;\n.reg .b32 %r<10>;\n.reg .b64 %d<10>;\n"
                ".reg .f32 %f<10>;\n.reg .f64 %g<10>;\n");
    for (int r = 0; r < x->n_regs; r++) /* their destinations tell the slots */
        if (width_of(x->name[r]))
            ws_buf_printf(&text, "mov.b%u %s, 0;\n", 8 * width_of(x->name[r]), x->name[r]);
        else
            ws_buf_printf(&text, "mov.pred %s, 0;\n", x->name[r]);
    ws_buf_printf(&text, "%s;\nret;\n}\n", op);
    if (ptx_parse(&x->arena, text.p, text.n, &ast, &err)) {
        printf("# %s\n", err.msg);
        return false;
    }
    ws_buf_release(&text);
    static const ptx_kernel_info info;
    x->program = ptx_program_new(ast, ptx_ast_find(ast, "k"), &info);
    const ptx_code *c = x->program->code[0];
    x->insn = &c->insn[x->n_regs];
    for (int r = 0; r < x->n_regs; r++)
        x->slot[r] = c->insn[r].d;
    if (posix_memalign((void **)&x->memory, 64, c->frame_bytes + 64))
        return false;
    memset(x->memory, POISON, c->frame_bytes);
    x->frame.code = c;
    x->w.regs = x->memory;
    memcpy(x->memory + c->const_at, c->constants, c->const_bytes);
    x->w.pred = (u32 *)(void *)(x->memory + c->pred_at);
    x->w.pred[0] = 0;
    x->w.pred[1] = PTX_FULL;
    x->w.frame = &x->frame;
    static ptx_block block;
    x->w.block = &block;
    x->w.exec = x->w.whole = x->w.active = PTX_FULL;
    return !x->program->unsupported;
}

static void execute(fixture *x)
{
    x->insn->run(&x->w, x->insn);
    ptx_ops_executed(x->insn->match);
}

static void teardown(fixture *x)
{
    ptx_program_free(x->program);
    free(x->memory);
    ws_arena_release(&x->arena);
}

static void put(fixture *x, int r, int lane, u64 v)
{
    u32 n = width_of(x->name[r]);
    if (n)
        memcpy(x->memory + x->slot[r] + (u32)lane * n, &v, n);
    else
        x->w.pred[x->slot[r]] = (x->w.pred[x->slot[r]] & ~(1u << lane)) | (u32)(v & 1) << lane;
}

static u64 get(const fixture *x, int r, int lane)
{
    u64 v = 0;
    u32 n = width_of(x->name[r]);
    if (!n)
        return x->w.pred[x->slot[r]] >> lane & 1;
    memcpy(&v, x->memory + x->slot[r] + (u32)lane * n, n);
    return v;
}

/* Inputs of registers 1, 2, 3, 4 (whatever their letter), then what register 0 gets. */
typedef struct vec {
    u64 a, b, c, e, out;
} vec;

static void fill(fixture *x, const vec *v, int n)
{
    for (int r = 0; r < x->n_regs; r++)
        for (int l = 0; l < PTX_LANES; l++) {
            const u64 in[] = {0, v[l % n].a, v[l % n].b, v[l % n].c, v[l % n].e};
            int number = x->name[r][2] - '0';
            if (number >= 1 && number <= 4)
                put(x, r, l, in[number]);
        }
}

/* Runs `op` with vector l % n in lane l: first on all lanes, then on some, and looks that the
 * others keep. */
static void check_n(const char *op, const vec *v, int n)
{
    static const u32 masks[] = {PTX_FULL, 0x5a3c0ff1};
    fixture x;
    bool pass = setup(&x, op);
    if (!pass)
        printf("# not supported or not parsed: %s\n", op);
    for (int m = 0; m < 2 && pass; m++) {
        int d = -1;
        for (int r = 0; r < x.n_regs; r++)
            if (x.name[r][2] == '0')
                d = r;
        fill(&x, v, n);
        for (int l = 0; l < PTX_LANES; l++)
            put(&x, d, l, 0x3333333333333333);
        u32 width = width_of(x.name[d]);
        u64 keep = width == 0   ? 1
                   : width == 8 ? 0x3333333333333333
                                : 0x3333333333333333 & ((1ull << 8 * width) - 1);
        x.w.exec = x.w.whole = masks[m];
        execute(&x);
        for (int l = 0; l < PTX_LANES && pass; l++) {
            u64 want = masks[m] >> l & 1 ? v[l % n].out : keep;
            if (get(&x, d, l) != want) {
                printf("# %s: lane %d of mask %08x: got %llx, want %llx\n", op, l, masks[m],
                       (unsigned long long)get(&x, d, l), (unsigned long long)want);
                pass = false;
            }
        }
    }
    ok(pass, "%s", op);
    teardown(&x);
}
#define CHECK(op, ...)                                                                             \
    do {                                                                                           \
        const vec v_[] = {__VA_ARGS__};                                                            \
        check_n(op, v_, (int)(sizeof v_ / sizeof v_[0]));                                          \
    } while (0)
#define V1(x, o) {x, 0, 0, 0, o}
#define V2(x, y, o) {x, y, 0, 0, o}
#define V3(x, y, z, o) {x, y, z, 0, o}
#define V4(x, y, z, u, o) {x, y, z, u, o}

static u64 F(f32 v)
{
    u32 b;
    memcpy(&b, &v, 4);
    return b;
}
static u64 D(f64 v)
{
    u64 b;
    memcpy(&b, &v, 8);
    return b;
}
static u64 H(f64 v)
{
    return ws_f16_from_f64(v);
}
static u64 B(f64 v)
{
    return ws_bf16_from_f64(v);
}
static u64 X2(u64 hi, u64 lo)
{
    return hi << 16 | lo;
}
#define NAN32 0x7fffffffu
#define M32(x) ((u64)(u32)(x))

/* ---- integers ---- */

static void test_add_mul(void)
{
    CHECK("add.s32 %r0, %r1, %r2", V2(1, 2, 3), V2(0x7fffffff, 1, 0x80000000),
          V2(0xffffffff, 1, 0));
    CHECK("add.sat.s32 %r0, %r1, %r2", V2(0x7fffffff, 1, 0x7fffffff),
          V2(0x80000000, 0xffffffff, 0x80000000));
    CHECK("sub.sat.s32 %r0, %r1, %r2", V2(0x80000000, 1, 0x80000000), V2(5, 7, M32(-2)));
    CHECK("add.s16 %h0, %h1, %h2", V2(0xffff, 2, 1));
    CHECK("add.u64 %d0, %d1, %d2", V2(0xffffffff, 1, 0x100000000));
    CHECK("add.s64 %d0, %d1, -8", V1(3, (u64)-5));
    CHECK("add.u32 %r0, %r1, 7", V1(3, 10));
    CHECK("sub.s64 %d0, %d1, %d2", V2(1, 2, UINT64_MAX));
    CHECK("add.u16x2 %r0, %r1, %r2", V2(0xffff0001, 0x0001ffff, 0));
    CHECK("mul.lo.s32 %r0, %r1, %r2", V2(0x10000, 0x10000, 0), V2(M32(-3), 7, M32(-21)));
    CHECK("mul.lo.u16 %h0, %h1, %h2", V2(0xffff, 0xffff, 1));
    CHECK("mul.hi.u16 %h0, %h1, %h2", V2(0xffff, 0xffff, 0xfffe));
    CHECK("mul.hi.s16 %h0, %h1, %h2", V2(0xffff, 3, 0xffff));
    CHECK("mul.hi.s32 %r0, %r1, %r2", V2(M32(-1), 1, M32(-1)), V2(0x40000000, 8, 2));
    CHECK("mul.hi.u32 %r0, %r1, %r2", V2(0xffffffff, 0xffffffff, 0xfffffffe));
    CHECK("mul.hi.u64 %d0, %d1, %d2", V2(UINT64_MAX, UINT64_MAX, UINT64_MAX - 1));
    CHECK("mul.hi.s64 %d0, %d1, %d2", V2(UINT64_MAX, 5, UINT64_MAX));
    CHECK("mul.lo.s64 %d0, %d1, %d2", V2(0x100000001, 3, 0x300000003));
    CHECK("mul.wide.s32 %d0, %r1, %r2", V2(M32(-2), 3, (u64)-6),
          V2(0x80000000, 0x80000000, 1ull << 62));
    CHECK("mul.wide.u32 %d0, %r1, 4", V1(0xffffffff, 0x3fffffffc));
    CHECK("mul.wide.u16 %r0, %h1, %h2", V2(0xffff, 0xffff, 0xfffe0001));
    CHECK("mul.wide.s16 %r0, %h1, %h2", V2(0xffff, 2, M32(-2)));
    CHECK("mad.lo.s32 %r0, %r1, %r2, %r3", V3(3, 4, 5, 17), V3(0x10000, 0x10000, 1, 1));
    CHECK("mad.wide.u32 %d0, %r1, %r2, %d3", V3(0xffffffff, 2, 1, 0x1ffffffff));
    CHECK("mad.wide.s32 %d0, %r1, 4, %d3", V3(M32(-1), 0, 0x1000, 0xffc));
    CHECK("mad.hi.sat.s32 %r0, %r1, %r2, %r3", V3(0x7fffffff, 0x7fffffff, 0x7fffffff, 0x7fffffff));
    CHECK("mad.hi.u32 %r0, %r1, %r2, %r3", V3(0x80000000, 4, 5, 7));
    CHECK("mul24.lo.s32 %r0, %r1, %r2", V2(0x00ffffff, 3, M32(-3)), V2(0xff000002, 3, 6));
    CHECK("mul24.hi.u32 %r0, %r1, %r2", V2(0xffffff, 0xffffff, 0xfffffe00));
    CHECK("mad24.lo.u32 %r0, %r1, %r2, %r3", V3(0xff000002, 3, 1, 7));
    CHECK("sad.s32 %r0, %r1, %r2, %r3", V3(M32(-5), 5, 1, 11),
          V3(0x80000000, 0x7fffffff, 0, 0xffffffff));
    CHECK("sad.u16 %h0, %h1, %h2, %h3", V3(0xffff, 1, 1, 0xffff));
}

static void test_division(void)
{
    CHECK("div.s32 %r0, %r1, %r2", V2(7, M32(-2), M32(-3)), V2(0x80000000, M32(-1), 0x80000000),
          V2(5, 0, M32(-1)), V2(0x80000000, 1, 0x80000000), V2(0x7fffffff, 0x7fffffff, 1));
    CHECK("rem.s32 %r0, %r1, %r2", V2(M32(-7), 2, M32(-1)), V2(0x80000000, M32(-1), 0),
          V2(5, 0, M32(-1)));
    CHECK("div.u32 %r0, %r1, %r2", V2(0xffffffff, 3, 0x55555555), V2(1, 0, 0xffffffff),
          V2(0xfffffffe, 0xffffffff, 0), V2(0xffffffff, 1, 0xffffffff));
    CHECK("rem.u32 %r0, %r1, 10", V1(0xffffffff, 5));
    CHECK("div.u16 %h0, %h1, %h2", V2(0xffff, 16, 0xfff), V2(1, 0, 0xffff));
    CHECK("div.s16 %h0, %h1, %h2", V2(0x8000, 0xffff, 0x8000), V2(0xfff9, 2, 0xfffd));
    CHECK("div.u64 %d0, %d1, %d2", V2(UINT64_MAX, 10, UINT64_MAX / 10), V2(100, 7, 14),
          V2(1, 0, UINT64_MAX));
    CHECK("div.u64 %d0, %d1, %d2", V2(4000000000, 7, 571428571), V2(6, 7, 0));
    CHECK("rem.u64 %d0, %d1, %d2", V2(UINT64_MAX, 10, 5), V2(100, 7, 2));
    CHECK("div.s64 %d0, %d1, %d2", V2((u64)-100, 7, (u64)-14),
          V2(1ull << 63, UINT64_MAX, 1ull << 63), V2(9, 0, UINT64_MAX));
    CHECK("rem.s64 %d0, %d1, %d2", V2((u64)-100, 7, (u64)-2), V2(1ull << 63, UINT64_MAX, 0));
    CHECK("rem.s64 %d0, %d1, %d2", V2(100, 7, 2), V2(4000000000, 7, 3));
}

static void test_minmax_shift(void)
{
    CHECK("min.s32 %r0, %r1, %r2", V2(M32(-1), 1, M32(-1)));
    CHECK("max.u32 %r0, %r1, %r2", V2(0xffffffff, 1, 0xffffffff));
    CHECK("min.s16 %h0, %h1, %h2", V2(0xffff, 1, 0xffff), V2(3, 1, 1));
    CHECK("max.s16 %h0, %h1, %h2", V2(0xffff, 1, 1), V2(3, 1, 3));
    CHECK("max.s64 %d0, %d1, %d2", V2((u64)-5, 2, 2));
    CHECK("min.u64 %d0, %d1, %d2", V2((u64)-5, 2, 2));
    CHECK("max.s16x2 %r0, %r1, %r2", V2(0xffff0001, 0x0001ffff, 0x00010001));
    CHECK("min.relu.s16x2 %r0, %r1, %r2", V2(0xffff0003, 0x00010002, 0x00000002));
    CHECK("max.relu.s32 %r0, %r1, %r2", V2(M32(-3), M32(-2), 0), V2(M32(-3), 2, 2));
    CHECK("max.s32.relu %r0, %r1, %r2", V2(M32(-3), M32(-2), 0), V2(M32(-3), 2, 2));
    CHECK("neg.s32 %r0, %r1", V1(5, M32(-5)), V1(0x80000000, 0x80000000));
    CHECK("abs.s32 %r0, %r1", V1(M32(-5), 5), V1(0x80000000, 0x80000000));
    CHECK("abs.s16 %h0, %h1", V1(0xffff, 1));
    CHECK("abs.s64 %d0, %d1", V1((u64)-9, 9));
    CHECK("not.b16 %h0, %h1", V1(0x00ff, 0xff00));
    CHECK("not.b64 %d0, %d1", V1(0, UINT64_MAX));
    CHECK("cnot.b32 %r0, %r1", V1(0, 1), V1(7, 0));
    CHECK("and.b32 %r0, %r1, %r2", V2(0xff00ff, 0x0ff0f0, 0x0f00f0));
    CHECK("or.b64 %d0, %d1, %d2", V2(1, 1ull << 40, 1ull << 40 | 1));
    CHECK("xor.b16 %h0, %h1, %h2", V2(0xffff, 0x0f0f, 0xf0f0));
    CHECK("shl.b32 %r0, %r1, %r2", V2(1, 31, 0x80000000), V2(1, 32, 0), V2(1, 0xffffffff, 0),
          V2(3, 0, 3));
    CHECK("shl.b16 %h0, %h1, %r2", V2(0xffff, 4, 0xfff0), V2(1, 16, 0));
    CHECK("shl.b64 %d0, %d1, %r2", V2(1, 63, 1ull << 63), V2(1, 64, 0));
    CHECK("shr.s32 %r0, %r1, %r2", V2(0x80000000, 31, M32(-1)), V2(0x80000000, 99, M32(-1)),
          V2(64, 3, 8));
    CHECK("shr.u32 %r0, %r1, %r2", V2(0x80000000, 31, 1), V2(0x80000000, 32, 0));
    CHECK("shr.s16 %h0, %h1, 20", V1(0x8000, 0xffff), V1(0x7fff, 0));
    CHECK("shr.u16 %h0, %h1, 15", V1(0x8000, 1));
    CHECK("shr.s64 %d0, %d1, %r2", V2(1ull << 63, 63, UINT64_MAX), V2(1ull << 63, 200, UINT64_MAX));
    CHECK("shr.u64 %d0, %d1, %r2", V2(1ull << 63, 63, 1), V2(1ull << 63, 64, 0));
    CHECK("shf.l.wrap.b32 %r0, %r1, %r2, %r3", V3(0x80000000, 1, 1, 3), V3(1, 2, 32, 2));
    CHECK("shf.l.clamp.b32 %r0, %r1, %r2, %r3", V3(0x12345678, 1, 40, 0x12345678),
          V3(0x80000000, 1, 1, 3));
    CHECK("shf.r.wrap.b32 %r0, %r1, %r2, %r3", V3(2, 1, 1, 0x80000001), V3(2, 1, 32, 2));
    CHECK("shf.r.clamp.b32 %r0, %r1, %r2, %r3", V3(2, 0x77, 33, 0x77));
}

static void test_bits(void)
{
    CHECK("popc.b32 %r0, %r1", V1(0xf0f0f0f0, 16));
    CHECK("popc.b64 %r0, %d1", V1(UINT64_MAX, 64));
    CHECK("clz.b32 %r0, %r1", V1(0, 32), V1(1, 31), V1(0x80000000, 0));
    CHECK("clz.b64 %r0, %d1", V1(0, 64), V1(1, 63));
    CHECK("bfind.u32 %r0, %r1", V1(0, 0xffffffff), V1(0x80000000, 31), V1(5, 2));
    CHECK("bfind.s32 %r0, %r1", V1(M32(-1), 0xffffffff), V1(M32(-5), 2), V1(5, 2));
    CHECK("bfind.shiftamt.u32 %r0, %r1", V1(1, 31), V1(0, 0xffffffff));
    CHECK("bfind.s64 %r0, %d1", V1(UINT64_MAX - 8, 3), V1(1ull << 40, 40));
    CHECK("brev.b32 %r0, %r1", V1(1, 0x80000000), V1(0x12345678, 0x1e6a2c48));
    CHECK("brev.b64 %d0, %d1", V1(1, 1ull << 63));
    CHECK("bfe.u32 %r0, %r1, %r2, %r3", V3(0x12345678, 8, 12, 0x456), V3(0xffffffff, 28, 8, 0xf),
          V3(1, 32, 4, 0), V3(1, 0, 0, 0), V3(0xffffffff, 0, 32, 0xffffffff));
    CHECK("bfe.s32 %r0, %r1, %r2, %r3", V3(0x800, 8, 4, M32(-8)), V3(0x80000000, 40, 4, M32(-1)),
          V3(0x80000000, 28, 8, M32(-8)), V3(M32(-1), 3, 0, 0), V3(0x70, 4, 3, M32(-1)));
    CHECK("bfe.u64 %d0, %d1, %r2, %r3", V3(UINT64_MAX, 4, 60, UINT64_MAX >> 4),
          V3(UINT64_MAX, 0, 255, UINT64_MAX));
    CHECK("bfe.s64 %d0, %d1, %r2, %r3", V3(0xf0, 4, 4, UINT64_MAX),
          V3(1ull << 63, 64, 1, UINT64_MAX));
    CHECK("bfi.b32 %r0, %r1, %r2, %r3, %r4", V4(0xff, 0, 8, 4, 0xf00),
          V4(0xffffffff, 0, 28, 8, 0xf0000000), V4(1, 7, 32, 3, 7), V4(5, 7, 0, 0, 7),
          V4(5, 7, 0, 32, 5));
    CHECK("bfi.b64 %d0, %d1, %d2, %r3, %r4", V4(UINT64_MAX, 0, 32, 32, 0xffffffff00000000),
          V4(1, 2, 0, 64, 1));
    CHECK("bmsk.clamp.b32 %r0, %r1, %r2", V2(4, 8, 0xff0), V2(32, 1, 0), V2(0, 32, 0xffffffff),
          V2(8, 32, 0xffffff00), V2(3, 0, 0));
    CHECK("bmsk.wrap.b32 %r0, %r1, %r2", V2(36, 8, 0xff0), V2(0, 32, 0), V2(28, 8, 0xf0000000));
    CHECK("szext.clamp.s32 %r0, %r1, %r2", V2(0xf8, 8, M32(-8)), V2(0x78, 8, 0x78),
          V2(0x1234, 32, 0x1234), V2(9, 0, 0));
    CHECK("szext.wrap.u32 %r0, %r1, %r2", V2(0xfff, 36, 0xf), V2(0xfff, 32, 0));
    CHECK("lop3.b32 %r0, %r1, %r2, %r3, 0x1A", V3(0xf0f0, 0xcccc, 0xaaaa, 0x1a1a ^ 0),
          V3(0xf0, 0xcc, 0xaa, 0x1a));
    CHECK("lop3.b32 %r0, %r1, %r2, %r3, 0x96",
          V3(0xff00, 0xf0f0, 0xcccc, 0xff00 ^ 0xf0f0 ^ 0xcccc));
    CHECK("lop3.or.b32 _|%p0, %r1, %r2, %r3, 0x80, %p4", V4(1, 1, 1, 0, 1), V4(1, 0, 1, 0, 0),
          V4(1, 0, 1, 1, 1));
    CHECK("prmt.b32 %r0, %r1, %r2, %r3", V3(0x33221100, 0x77665544, 0x7531, 0x77553311),
          V3(0x80, 0, 0x8888, 0xffffffff), V3(0x12345678, 0x9abcdef0, 0x5410, 0xdef05678));
    CHECK("prmt.b32.f4e %r0, %r1, %r2, %r3", V3(0x33221100, 0x77665544, 1, 0x44332211));
    CHECK("prmt.b32.rc16 %r0, %r1, %r2, %r3", V3(0x33221100, 0, 1, 0x33223322));
    CHECK("dp4a.s32.s32 %r0, %r1, %r2, %r3",
          V3(0xff010203, 0x02010101, 10, M32(10 - 2 + 1 + 2 + 3)));
    CHECK("dp4a.u32.u32 %r0, %r1, %r2, %r3", V3(0xff010203, 0x02010101, 10, 10 + 510 + 6));
    CHECK("dp2a.lo.s32.s32 %r0, %r1, %r2, %r3", V3(0xffff0002, 0x05060403, 1, M32(1 + 6 - 4)));
    CHECK("dp2a.hi.u32.u32 %r0, %r1, %r2, %r3", V3(0x00010002, 0x05060403, 1, 1 + 12 + 5));
}

static void test_carry(void)
{
    fixture x;
    bool pass = setup(&x, "add.cc.u32 %r0, %r1, %r2");
    const vec v[] = {V2(0xffffffff, 1, 0), V2(1, 1, 2)};
    fill(&x, v, 2);
    execute(&x);
    ok(pass && x.w.carry == 0x55555555, "add.cc.u32 sets the carry a lane");
    teardown(&x);
    static const struct {
        const char *op;
        u32 in, out;
        vec v;
    } t[] = {
        {"addc.u32 %r0, %r1, %r2", 1, 1, V2(5, 6, 12)},
        {"addc.cc.u32 %r0, %r1, %r2", 1, 1, V2(0xffffffff, 0, 0)},
        {"addc.cc.u64 %d0, %d1, %d2", 1, 1, V2(UINT64_MAX, 0, 0)},
        {"sub.cc.u32 %r0, %r1, %r2", 0, 1, V2(0, 1, 0xffffffff)},
        {"subc.cc.s32 %r0, %r1, %r2", 1, 0, V2(5, 2, 2)},
        {"mad.lo.cc.u32 %r0, %r1, %r2, %r3", 0, 1, V3(0x10000, 0xffff, 0x10000, 0)},
        {"madc.hi.u32 %r0, %r1, %r2, %r3", 1, 1, V3(0x80000000, 4, 7, 10)},
        {"madc.hi.cc.u64 %d0, %d1, %d2, %d3", 1, 0, V3(1ull << 63, 4, 7, 10)},
        {"mad.hi.cc.s32 %r0, %r1, %r2, %r3", 0, 0, V3(0xffffffff, 1, 0, 0xffffffff)},
    };
    for (size_t k = 0; k < WS_COUNT(t); k++) {
        pass = setup(&x, t[k].op);
        fill(&x, &t[k].v, 1);
        x.w.carry = t[k].in ? PTX_FULL : 0;
        x.w.exec = x.w.whole = 8;
        execute(&x);
        ok(pass && get(&x, 0, 3) == t[k].v.out && (x.w.carry >> 3 & 1) == t[k].out &&
               (x.w.carry & ~8u) == (t[k].in ? ~8u : 0), "%s", t[k].op);
        teardown(&x);
    }
}

/* 32-bit division by way of double, and 64-bit division's two ways, against C. */
static void test_division_random(void)
{
    static const u32 edge[] = {
        0, 1, 2, 3, 7, 10, 0x7ffffffe, 0x7fffffff, 0x80000000, 0x80000001, 0xfffffffe, 0xffffffff};
    fixture s, u;
    bool pass = setup(&s, "div.s32 %r0, %r1, %r2") && setup(&u, "rem.u32 %r0, %r1, %r2");
    u32 seed = 1;
    for (int round = 0; round < 2000 && pass; round++) {
        u32 a[PTX_LANES], b[PTX_LANES];
        for (int l = 0; l < PTX_LANES; l++) {
            seed = seed * 1664525 + 1013904223;
            a[l] = seed & 0x100 ? seed >> (seed >> 27) : edge[seed >> 9 & 7] + (seed >> 30);
            seed = seed * 1664525 + 1013904223;
            b[l] = seed & 0x100 ? seed >> (seed >> 27) : edge[(seed >> 9) % WS_COUNT(edge)];
            put(&s, 1, l, a[l]), put(&s, 2, l, b[l]);
            put(&u, 1, l, a[l]), put(&u, 2, l, b[l]);
        }
        execute(&s);
        execute(&u);
        for (int l = 0; l < PTX_LANES; l++) {
            s64 q = b[l] ? (s64)(s32)a[l] / (s32)b[l] : -1;
            pass &= get(&s, 0, l) == (u32)q && get(&u, 0, l) == (b[l] ? a[l] % b[l] : UINT32_MAX);
        }
    }
    ok(pass, "div.s32 and rem.u32 agree with C on 64000 pairs");
    teardown(&s);
    teardown(&u);
}

/* ---- f32, f64 ---- */

static void test_fp(void)
{
    const u64 inf = F(INFINITY), ninf = F(-INFINITY), sub = 1, z = 0x80000000;
    CHECK("add.f32 %f0, %f1, %f2", V2(F(1.5f), F(2), F(3.5f)), V2(inf, ninf, NAN32),
          V2(sub, sub, 2), V2(z, z, z));
    CHECK("add.ftz.f32 %f0, %f1, %f2", V2(sub, F(1), F(1)), V2(sub, sub, 0), V2(0x80000001, z, z));
    CHECK("add.rz.f32 %f0, %f1, %f2", V2(F(1), F(0x1.8p-24f), F(1)),
          V2(F(-1), F(-0x1.8p-24f), F(-1)));
    CHECK("add.rp.f32 %f0, %f1, %f2", V2(F(1), F(0x1p-30f), F(0x1.000002p0f)),
          V2(F(-1), F(-0x1p-30f), F(-1)));
    CHECK("add.rm.f32 %f0, %f1, %f2", V2(F(1), F(0x1p-30f), F(1)),
          V2(F(-1), F(-0x1p-30f), F(-0x1.000002p0f)));
    CHECK("add.sat.f32 %f0, %f1, %f2", V2(F(1), F(1), F(1)), V2(F(-1), F(0), 0), V2(inf, ninf, 0),
          V2(F(.25f), F(.5f), F(.75f)));
    CHECK("sub.f32 %f0, %f1, %f2", V2(F(1), F(3), F(-2)));
    CHECK("sub.rn.ftz.f32 %f0, %f1, %f2", V2(F(0x1p-126f), F(0x1.8p-127f), F(0x1p-126f)),
          V2(F(0x1.4p-126f), F(0x1p-126f), 0));
    CHECK("mul.f32 %f0, %f1, %f2", V2(F(3), F(-2), F(-6)), V2(F(0), inf, NAN32));
    CHECK("mul.rn.f32 %f0, %f1, 0f3F000000", V1(F(3), F(1.5f)));
    CHECK("fma.rn.f32 %f0, %f1, %f2, %f3",
          V3(F(0x1.000002p0f), F(0x1.000002p0f), F(-0x1.000004p0f), F(0x1p-46f)),
          V3(F(2), F(3), F(4), F(10)));
    CHECK("fma.rm.f32 %f0, %f1, %f2, %f3", V3(F(1), F(0x1p-40f), F(1), F(1)),
          V3(F(1), F(-0x1p-40f), F(1), F(0x1.fffffep-1f)));
    CHECK("fma.rz.ftz.f32 %f0, %f1, %f2, %f3", V3(F(1), sub, F(1), F(1)),
          V3(F(1), F(-0x1p-40f), F(1), F(0x1.fffffep-1f)));
    CHECK("mad.rn.f32 %f0, %f1, %f2, %f3", V3(F(2), F(3), F(4), F(10)));
    CHECK("fma.rn.f64 %g0, %g1, %g2, %g3",
          V3(D(0x1.0000000000001p0), D(0x1.0000000000001p0), D(-0x1.0000000000002p0), D(0x1p-104)));
    CHECK("add.rp.f64 %g0, %g1, %g2", V2(D(1), D(0x1p-80), D(0x1.0000000000001p0)));
    CHECK("mul.f64 %g0, %g1, %g2", V2(D(3), D(.5), D(1.5)));
    CHECK("div.rn.f32 %f0, %f1, %f2", V2(F(1), F(3), F(1.0f / 3)), V2(F(1), F(0), inf),
          V2(F(0), F(0), NAN32));
    CHECK("div.rz.f32 %f0, %f1, %f2", V2(F(2), F(3), 0x3f2aaaaa), V2(F(1), F(3), 0x3eaaaaaa));
    CHECK("div.approx.f32 %f0, %f1, %f2", V2(F(1), F(4), F(.25f)), V2(inf, F(0x1p127f), NAN32),
          V2(F(-1), F(0x1.8p126f), z), V2(F(3), inf, 0));
    CHECK("div.full.f32 %f0, %f1, %f2", V2(F(0x1p127f), F(0x1p127f), F(1)));
    CHECK("div.rn.f64 %g0, %g1, %g2", V2(D(1), D(3), D(1.0 / 3)));
    CHECK("rcp.rn.f32 %f0, %f1", V1(F(3), F(1.0f / 3)), V1(z, ninf));
    CHECK("rcp.approx.ftz.f32 %f0, %f1", V1(F(4), F(.25f)), V1(sub, inf), V1(F(0x1p127f), 0));
    CHECK("rcp.approx.ftz.f64 %g0, %g1", V1(D(4), D(.25)), V1(1, D(INFINITY)),
          V1(D(NAN), 0x7fffffff00000000));
    CHECK("rcp.rp.f32 %f0, %f1", V1(F(3), 0x3eaaaaab), V1(F(-3), 0xbeaaaaaa));
    CHECK("sqrt.rn.f32 %f0, %f1", V1(F(9), F(3)), V1(F(-1), NAN32), V1(z, z));
    CHECK("sqrt.approx.ftz.f32 %f0, %f1", V1(F(16), F(4)), V1(sub, 0));
    CHECK("sqrt.rn.f64 %g0, %g1", V1(D(2), D(0x1.6a09e667f3bcdp0)));
    CHECK("rsqrt.approx.f32 %f0, %f1", V1(F(4), F(.5f)), V1(z, ninf), V1(inf, 0), V1(F(-4), NAN32));
    CHECK("rsqrt.approx.f64 %g0, %g1", V1(D(4), D(.5)));
    CHECK("neg.f32 %f0, %f1", V1(F(1), F(-1)), V1(0, z));
    CHECK("neg.ftz.f32 %f0, %f1", V1(sub, z));
    CHECK("abs.f32 %f0, %f1", V1(F(-1), F(1)), V1(z, 0));
    CHECK("abs.f64 %g0, %g1", V1(D(-2), D(2)));
    CHECK("copysign.f32 %f0, %f1, %f2", V2(F(-1), F(3), F(-3)), V2(F(1), F(-3), F(3)));
}

static void test_fp_select(void)
{
    const u64 inf = F(INFINITY), sub = 1, z = 0x80000000, nan = 0x7fc00000;
    CHECK("min.f32 %f0, %f1, %f2", V2(F(1), nan, F(1)), V2(nan, F(1), F(1)), V2(nan, nan, NAN32),
          V2(0, z, z), V2(z, 0, z), V2(F(-1), F(1), F(-1)));
    CHECK("max.f32 %f0, %f1, %f2", V2(F(1), nan, F(1)), V2(nan, F(1), F(1)), V2(0, z, 0),
          V2(z, 0, 0), V2(F(-1), F(1), F(1)));
    CHECK("max.NaN.f32 %f0, %f1, %f2", V2(F(1), nan, NAN32), V2(F(1), F(2), F(2)));
    CHECK("min.xorsign.abs.f32 %f0, %f1, %f2", V2(F(-1), F(2), F(-1)), V2(F(-3), F(-2), F(2)));
    CHECK("max.f32 %f0, %f1, %f2, %f3", V3(F(1), F(5), F(3), F(5)));
    CHECK("max.ftz.f32 %f0, %f1, %f2", V2(sub, F(-1), 0));
    CHECK("min.f64 %g0, %g1, %g2", V2(D(-0.0), D(0), D(-0.0)), V2(D(NAN), D(1), D(1)),
          V2(D(1), D(NAN), D(1)));
    CHECK("max.f64 %g0, %g1, %g2", V2(D(-0.0), D(0), D(0)), V2(D(3), D(4), D(4)));
    CHECK("testp.finite.f32 %p0, %f1", V1(F(1), 1), V1(inf, 0), V1(nan, 0));
    CHECK("testp.subnormal.f32 %p0, %f1", V1(sub, 1), V1(0, 0));
    CHECK("testp.normal.f64 %p0, %g1", V1(0, 1), V1(1, 0), V1(D(2), 1));
    CHECK("testp.notanumber.f64 %p0, %g1", V1(D(NAN), 1), V1(D(2), 0));
    CHECK("ex2.approx.f32 %f0, %f1", V1(F(0), F(1)), V1(F(10), F(1024)), V1(F(-149), 1),
          V1(F(-151), 0), V1(F(128), inf), V1(nan, NAN32), V1(F(-INFINITY), 0), V1(inf, inf),
          V1(F(.5f), F(0x1.6a09e6p0f)));
    CHECK("ex2.approx.ftz.f32 %f0, %f1", V1(F(-127), 0), V1(F(-126), F(0x1p-126f)));
    CHECK("lg2.approx.f32 %f0, %f1", V1(F(8), F(3)), V1(0, F(-INFINITY)), V1(F(-1), NAN32),
          V1(sub, F(-149)));
    CHECK("lg2.approx.ftz.f32 %f0, %f1", V1(sub, F(-INFINITY)));
    CHECK("sin.approx.f32 %f0, %f1", V1(0, 0), V1(z, z), V1(inf, NAN32),
          V1(F(1), F(0x1.aed548p-1f)));
    CHECK("cos.approx.ftz.f32 %f0, %f1", V1(0, F(1)), V1(inf, NAN32));
    CHECK("tanh.approx.f32 %f0, %f1", V1(inf, F(1)), V1(z, z), V1(F(1), F(0x1.85efacp-1f)));
}

/* Approximations are the double function rounded to f32, but for rare ties that go the other way;
 * ex2, which is computed in f32, is the other neighbour for one argument in twenty. */
static void test_accuracy(void)
{
    static const struct {
        const char *op;
        f64 (*f)(f64);
        f32 from, to, step;
        int per_mille; /* at most, that differ */
    } t[] = {
        {"ex2.approx.f32 %f0, %f1", exp2, -150, 129, 0.001237f, 50},
        {"lg2.approx.f32 %f0, %f1", log2, 0.001f, 4, 0.0000173f, 1},
        {"lg2.approx.f32 %f0, %f1", log2, 1000, 1e6f, 3.7f, 1},
        {"tanh.approx.f32 %f0, %f1", tanh, -12, 12, 0.000131f, 1},
        {"sin.approx.f32 %f0, %f1", sin, -8, 8, 0.0000917f, 1},
        {"cos.approx.f32 %f0, %f1", cos, -8, 8, 0.0000917f, 1},
        {"sin.approx.f32 %f0, %f1", sin, -1.2e6f, 1.2e6f, 11.3f, 1},
    };
    for (size_t k = 0; k < WS_COUNT(t); k++) {
        fixture x;
        bool pass = setup(&x, t[k].op);
        long worse = 0, differ = 0, total = 0;
        for (f32 v = t[k].from; v < t[k].to && pass; total += PTX_LANES) {
            f32 in[PTX_LANES];
            for (int l = 0; l < PTX_LANES; l++, v += t[k].step)
                put(&x, 1, l, F(in[l] = v));
            execute(&x);
            for (int l = 0; l < PTX_LANES; l++) {
                s64 off = (s64)get(&x, 0, l) - (s64)F((f32)t[k].f((f64)in[l]));
                differ += off != 0;
                worse += off > 1 || off < -1;
            }
        }
        ok(pass && !worse && differ * 1000 < t[k].per_mille * total,
           "%s from %g to %g: %ld of %ld differ by one unit", t[k].op, (f64)t[k].from, (f64)t[k].to,
           differ, total);
        teardown(&x);
    }
}

/* ---- halves ---- */

static void test_half(void)
{
    CHECK("add.f16 %h0, %h1, %h2", V2(H(1), H(2), H(3)), V2(H(65504), H(65504), 0x7c00),
          V2(0x7e00, H(1), 0x7fff));
    CHECK("add.rn.f16x2 %r0, %r1, %r2", V2(X2(H(1), H(2)), X2(H(.5), H(4)), X2(H(1.5), H(6))));
    CHECK("sub.bf16x2 %r0, %r1, %r2", V2(X2(B(1), B(2)), X2(B(.5), B(4)), X2(B(.5), B(-2))));
    CHECK("mul.bf16 %h0, %h1, %h2", V2(B(3), B(-2), B(-6)));
    CHECK("mul.sat.f16 %h0, %h1, %h2", V2(H(3), H(2), H(1)), V2(H(3), H(-2), 0),
          V2(0x7e00, H(1), 0));
    CHECK("mul.ftz.f16 %h0, %h1, %h2", V2(1, H(1024), 0), V2(H(0x1p-10), H(0x1p-10), 0),
          V2(H(-0x1p-10), H(0x1p-10), 0x8000));
    CHECK("fma.rn.f16 %h0, %h1, %h2, %h3", V3(H(2), H(3), H(4), H(10)),
          /* 1 + 2^-11 + 2^-24: nearer to 1 + 2^-10; rounded to f32 first it would tie to 1 */
          V3(H(0x1p-12), H(0x1p-12), H(1), H(1)), V3(0x3c01, 0x1001, H(1), H(1.0009765625)));
    CHECK("fma.rn.relu.f16x2 %r0, %r1, %r2, %r3",
          V3(X2(H(1), H(-1)), X2(H(2), H(2)), X2(H(1), H(1)), X2(H(3), 0)));
    CHECK("fma.rn.bf16x2 %r0, %r1, %r2, %r3",
          V3(X2(B(1), B(-1)), X2(B(2), B(2)), X2(B(1), B(1)), X2(B(3), B(-1))));
    CHECK("fma.rn.bf16 %h0, %h1, %h2, %h3", V3(B(0x1p100), B(0x1p100), B(1), 0x7f80),
          V3(B(0x1p-100), B(0x1p-100), B(1), B(1)));
    CHECK("fma.rn.f32.bf16 %f0, %h1, %h2, %f3", V3(B(2), B(3), F(.25f), F(6.25f)));
    CHECK("add.f32.f16 %f0, %h1, %f2", V2(H(2), F(.25f), F(2.25f)));
    CHECK("neg.f16 %h0, %h1", V1(H(1), H(-1)));
    CHECK("neg.bf16x2 %r0, %r1", V1(X2(B(1), B(-2)), X2(B(-1), B(2))));
    CHECK("abs.f16x2 %r0, %r1", V1(X2(H(-1), H(2)), X2(H(1), H(2))));
    CHECK("max.f16x2 %r0, %r1, %r2", V2(X2(H(-1), 0x7e00), X2(H(2), H(5)), X2(H(2), H(5))));
    CHECK("max.NaN.bf16 %h0, %h1, %h2", V2(B(1), 0x7fc0, 0x7fff), V2(B(1), B(2), B(2)));
    CHECK("min.xorsign.abs.f16 %h0, %h1, %h2", V2(H(-1), H(2), H(-1)));
    CHECK("ex2.approx.f16 %h0, %h1", V1(H(3), H(8)), V1(H(-24), 1));
    CHECK("ex2.approx.ftz.bf16x2 %r0, %r1", V1(X2(B(1), B(-2)), X2(B(2), B(.25))));
    CHECK("tanh.approx.f16 %h0, %h1", V1(0x7c00, H(1)), V1(0x8000, 0x8000));
    CHECK("setp.lt.f16 %p0, %h1, %h2", V2(H(1), H(2), 1), V2(H(2), H(1), 0), V2(0x7e00, H(1), 0));
    CHECK("setp.gt.bf16x2 %p0|%p9, %r1, %r2", V2(X2(B(0), B(2)), X2(B(1), B(1)), 1),
          V2(X2(B(2), B(0)), X2(B(1), B(1)), 0));
    CHECK("setp.gt.f16x2 %p9|%p0, %r1, %r2", V2(X2(H(0), H(2)), X2(H(1), H(1)), 0),
          V2(X2(H(2), H(0)), X2(H(1), H(1)), 1));
    CHECK("set.eq.f16.f16 %h0, %h1, %h2", V2(H(1), H(1), H(1)), V2(H(1), H(2), 0));
    CHECK("set.ltu.u32.f16x2 %r0, %r1, %r2", V2(X2(H(0), 0x7e00), X2(H(1), H(1)), 0xffffffff),
          V2(X2(H(2), H(0)), X2(H(1), H(1)), 0xffff));
}

/* f16 fma against exact integer arithmetic in units of 2^-48. */
static void test_half_fma_random(void)
{
    __extension__ typedef __int128 wide;
    fixture x;
    bool pass = setup(&x, "fma.rn.f16 %h0, %h1, %h2, %h3");
    u32 seed = 7;
    for (int round = 0; round < 3000 && pass; round++) {
        u16 v[3][PTX_LANES];
        for (int l = 0; l < PTX_LANES; l++)
            for (int k = 0; k < 3; k++) {
                seed = seed * 1664525 + 1013904223;
                u16 h = (u16)(seed >> 11);
                h = (h & 0x7c00) == 0x7c00 ? h & 0xbfff : h;
                if (round & 1) /* near cancellations and ties */
                    h = (h & 0x83ff) | (u16)(10 + (k == 2 ? 2 * (seed >> 30) : seed >> 30)) << 10;
                put(&x, k + 1, l, v[k][l] = h);
            }
        execute(&x);
        for (int l = 0; l < PTX_LANES; l++) {
            s64 a = (s64)(ws_f16_to_f64(v[0][l]) * 0x1p24),
                b = (s64)(ws_f16_to_f64(v[1][l]) * 0x1p24);
            wide sum = (wide)a * b + (wide)(s64)(ws_f16_to_f64(v[2][l]) * 0x1p24) * 0x1000000;
            bool neg = sum < 0;
            wide m = neg ? -sum : sum;
            int shift = 0;
            while (m >> shift >> 52)
                shift++;
            f64 mag = (f64)(s64)(m >> shift | (m & (((wide)1 << shift) - 1) ? 1 : 0)); /* sticky */
            u16 want = ws_f16_from_f64(ldexp(neg ? -mag : mag, shift - 48)),
                got = (u16)get(&x, 0, l);
            if (got != want && !(sum == 0 && (got & 0x7fff) == 0)) {
                printf("# %04x %04x %04x: got %04x, want %04x\n", v[0][l], v[1][l], v[2][l], got,
                       want);
                pass = false;
            }
        }
    }
    ok(pass, "fma.rn.f16 is rounded once on 96000 triples");
    teardown(&x);
}

__extension__ typedef __float128 quad;

/* x y + z rounded to odd in double, by way of 113 bits and the error of their sum. */
static f64 fma_odd(f64 x, f64 y, f64 z)
{
    quad p = (quad)x * y, s = p + z, v = s - p;
    quad rest = (p - (s - v)) + (z - v);
    f64 d = (f64)s;
    u64 bits;
    memcpy(&bits, &d, 8);
    rest += s - (quad)d;
    return rest == 0 || bits & 1 ? d : nextafter(d, rest > 0 ? INFINITY : -INFINITY);
}

/* Even rounds keep to exponents near each other, odd ones take all, with products out of f32's
 * range. */
static void test_bf16_fma_random(void)
{
    fixture x;
    bool pass = setup(&x, "fma.rn.bf16 %h0, %h1, %h2, %h3");
    u32 seed = 11;
    for (int round = 0; round < 3000 && pass; round++) {
        u16 v[3][PTX_LANES];
        for (int l = 0; l < PTX_LANES; l++)
            for (int k = 0; k < 3; k++) {
                seed = seed * 1664525 + 1013904223;
                u16 h = (u16)(seed >> 11);
                if (round & 1)
                    h = (h & 0x7f80) == 0x7f80 ? h & 0xbfff : h;
                else
                    h = (h & 0x807f) | (u16)(127 + (seed >> 29)) << 7;
                put(&x, k + 1, l, v[k][l] = h);
            }
        execute(&x);
        for (int l = 0; l < PTX_LANES; l++) {
            f64 d =
                fma_odd(ws_bf16_to_f64(v[0][l]), ws_bf16_to_f64(v[1][l]), ws_bf16_to_f64(v[2][l]));
            u16 want = ws_bf16_from_f64(d), got = (u16)get(&x, 0, l);
            if (got != want && !(d == 0 && (got & 0x7fff) == 0)) {
                printf("# %04x %04x %04x: got %04x, want %04x\n", v[0][l], v[1][l], v[2][l], got,
                       want);
                pass = false;
            }
        }
    }
    ok(pass, "fma.rn.bf16 is rounded once on 96000 triples");
    teardown(&x);
}

/* ---- cvt ---- */

static void test_cvt_int(void)
{
    CHECK("cvt.s64.s32 %d0, %r1", V1(M32(-5), (u64)-5));
    CHECK("cvt.u64.u32 %d0, %r1", V1(0xffffffff, 0xffffffff));
    CHECK("cvt.u32.u64 %r0, %d1", V1(0x1234567890, 0x34567890));
    CHECK("cvt.u16.u32 %h0, %r1", V1(0x12345678, 0x5678));
    CHECK("cvt.s32.s16 %r0, %h1", V1(0xfffe, M32(-2)));
    CHECK("cvt.u32.u16 %r0, %h1", V1(0xfffe, 0xfffe));
    CHECK("cvt.s32.s8 %r0, %r1", V1(0x1280, M32(-128)), V1(0x127f, 127));
    CHECK("cvt.u16.u8 %h0, %h1", V1(0x1280, 0x80));
    CHECK("cvt.u16.s8 %r0, %r1", V1(0x1280, 0xff80));
    CHECK("cvt.s16.s8 %r0, %r1", V1(0x1280, M32(-128)));
    CHECK("cvt.s8.u8 %h0, %h1", V1(0x1280, 0xff80));
    CHECK("cvt.s16.s8 %h0, %h1", V1(0x1280, 0xff80));
    CHECK("cvt.u8.u32 %r0, %r1", V1(0x1280, 0x80));
    CHECK("cvt.s8.s32 %r0, %r1", V1(0x1280, M32(-128)));
    CHECK("cvt.sat.u8.s32 %r0, %r1", V1(300, 255), V1(M32(-3), 0), V1(7, 7));
    CHECK("cvt.sat.s8.s32 %r0, %r1", V1(300, 127), V1(M32(-300), M32(-128)));
    CHECK("cvt.sat.s32.u32 %r0, %r1", V1(0xffffffff, 0x7fffffff));
    CHECK("cvt.sat.u16.s64 %h0, %d1", V1((u64)-1, 0), V1(1ull << 40, 0xffff));
    CHECK("cvt.rzi.s32.f32 %r0, %f1", V1(F(-1.9f), M32(-1)), V1(F(3e9f), 0x7fffffff),
          V1(F(-3e9f), 0x80000000), V1(F(NAN), 0), V1(F(-0x1p31f), 0x80000000));
    CHECK("cvt.rni.s32.f32 %r0, %f1", V1(F(2.5f), 2), V1(F(3.5f), 4), V1(F(-2.5f), M32(-2)));
    CHECK("cvt.rmi.s32.f32 %r0, %f1", V1(F(-1.1f), M32(-2)));
    CHECK("cvt.rpi.u32.f32 %r0, %f1", V1(F(1.1f), 2), V1(F(-5), 0), V1(F(5e9f), 0xffffffff),
          V1(F(4e9f), 4000000000u));
    CHECK("cvt.rzi.u32.f64 %r0, %g1", V1(D(3e9), 3000000000u), V1(D(NAN), 0x80000000),
          V1(D(-1), 0));
    CHECK("cvt.rzi.s64.f32 %d0, %f1", V1(F(-1.5f), (u64)-1), V1(F(NAN), 1ull << 63),
          V1(F(1e30f), INT64_MAX));
    CHECK("cvt.rzi.u64.f64 %d0, %g1", V1(D(1e19), 10000000000000000000u), V1(D(1e30), UINT64_MAX));
    CHECK("cvt.rni.s8.f32 %r0, %f1", V1(F(300), 127), V1(F(-1.5f), M32(-2)));
    CHECK("cvt.rzi.u16.f32 %h0, %f1", V1(F(70000), 0xffff), V1(F(-1), 0));
    CHECK("cvt.rzi.s32.f16 %r0, %h1", V1(H(-7.5), M32(-7)));
    CHECK("cvt.pack.sat.u8.s32.b32 %r0, %r1, %r2, %r3", V3(300, M32(-5), 0xabcd, 0xabcdff00));
    CHECK("cvt.pack.sat.s16.s32 %r0, %r1, %r2", V2(70000, M32(-5), 0x7ffffffb));
}

static void test_cvt_float(void)
{
    CHECK("cvt.rn.f32.s32 %f0, %r1", V1(M32(-3), F(-3)), V1(16777217, F(16777216)));
    CHECK("cvt.rz.f32.s32 %f0, %r1", V1(16777219, F(16777218)), V1(M32(-16777219), F(-16777218)));
    CHECK("cvt.rp.f32.u32 %f0, %r1", V1(16777217, F(16777218)));
    CHECK("cvt.rn.f32.u64 %f0, %d1", V1(UINT64_MAX, F(0x1p64f)),
          V1(0x8000008000000001, F(0x1.000002p63f)));
    CHECK("cvt.rm.f32.s64 %f0, %d1", V1((u64)-16777217, F(-16777218)));
    CHECK("cvt.rn.f64.s64 %g0, %d1", V1((u64)-5, D(-5)));
    CHECK("cvt.rn.f32.u16 %f0, %h1", V1(0xffff, F(65535)));
    CHECK("cvt.rn.f32.s16 %f0, %h1", V1(0xffff, F(-1)));
    CHECK("cvt.rn.f32.u8 %f0, %r1", V1(0x1ff, F(255)));
    CHECK("cvt.rn.f16.s32 %h0, %r1", V1(M32(-7), H(-7)), V1(100000, 0x7c00));
    CHECK("cvt.rz.bf16.u64 %h0, %d1", V1(0xffff, B(65280)));
    CHECK("cvt.rn.bf16.s64 %h0, %d1", V1(0x8080000000000001, B(-0x1.fep62)),
          V1(0x0080800000000001, B(0x1.02p55)));
    CHECK("cvt.f64.f32 %g0, %f1", V1(F(.1f), D((f64).1f)));
    CHECK("cvt.rn.f32.f64 %f0, %g1", V1(D(.1), F(.1f)), V1(D(1e300), F(INFINITY)));
    CHECK("cvt.rz.f32.f64 %f0, %g1", V1(D(1e300), F(0x1.fffffep127f)),
          V1(D(1 + 0x1p-24 + 0x1p-40), F(1)));
    CHECK("cvt.rp.ftz.f32.f64 %f0, %g1", V1(D(1 + 0x1p-40), F(0x1.000002p0f)), V1(D(0x1p-140), 0));
    CHECK("cvt.sat.f32.f32 %f0, %f1", V1(F(2), F(1)), V1(F(NAN), 0), V1(F(-1), 0),
          V1(F(.3f), F(.3f)));
    CHECK("cvt.rni.f32.f32 %f0, %f1", V1(F(2.5f), F(2)), V1(F(-.3f), 0x80000000),
          V1(F(0x1p30f), F(0x1p30f)));
    CHECK("cvt.rzi.ftz.f32.f32 %f0, %f1", V1(F(-2.5f), F(-2)));
    CHECK("cvt.rpi.f64.f64 %g0, %g1", V1(D(2.1), D(3)));
    CHECK("cvt.ftz.f32.f32 %f0, %f1", V1(1, 0), V1(F(2), F(2)));
    CHECK("cvt.f32.f16 %f0, %h1", V1(H(1.5), F(1.5f)), V1(1, F(0x1p-24f)), V1(0x7e00, NAN32));
    CHECK("cvt.f32.bf16 %f0, %h1", V1(B(1.5), F(1.5f)));
    CHECK("cvt.rn.f16.f32 %h0, %f1", V1(F(1.00048828125f), H(1)), V1(F(70000), 0x7c00),
          V1(F(NAN), 0x7fff), V1(F(0x1p-25f), 0));
    CHECK("cvt.rz.f16.f32 %h0, %f1", V1(F(70000), 0x7bff), V1(F(1.99999f), 0x3fff),
          V1(F(0x1.fp-25f), 0));
    CHECK("cvt.rp.f16.f64 %h0, %g1", V1(D(1 + 0x1p-50), 0x3c01), V1(D(-1 - 0x1p-50), H(-1)));
    CHECK("cvt.rn.bf16.f32 %h0, %f1", V1(F(1.00390625f), B(1)), V1(F(1.01171875f), B(1.015625)),
          V1(F(NAN), 0x7fff), V1(F(0x1.fffffep127f), 0x7f80));
    CHECK("cvt.rn.satfinite.bf16.f32 %h0, %f1", V1(F(0x1.fffffep127f), 0x7f7f),
          V1(F(-INFINITY), 0xff7f));
    CHECK("cvt.rn.relu.f16.f32 %h0, %f1", V1(F(-3), 0), V1(F(3), H(3)));
    CHECK("cvt.bf16.f16 %h0, %h1", V1(H(2), B(2)));
    CHECK("cvt.rn.f16x2.f32 %r0, %f1, %f2", V2(F(1), F(2), X2(H(1), H(2))));
    CHECK("cvt.rn.bf16x2.f32 %r0, %f1, %f2", V2(F(1), F(-2), X2(B(1), B(-2))));
    CHECK("cvt.rz.relu.bf16x2.f32 %r0, %f1, %f2", V2(F(1.999f), F(-2), X2(0x3fff, 0)));
    CHECK("cvt.rna.tf32.f32 %r0, %f1", V1(0x3f801000, 0x3f802000), V1(0x3f800fff, 0x3f800000),
          V1(F(NAN), NAN32));
    CHECK("cvt.rn.satfinite.e4m3x2.f32 %h0, %f1, %f2", V2(F(1), F(1000), 0x387e),
          V2(F(NAN), F(-2), 0x7fc0));
    CHECK("cvt.rn.satfinite.e5m2x2.f32 %h0, %f1, %f2", V2(F(1), F(1e9f), 0x3c7b));
    CHECK("cvt.rn.satfinite.relu.e4m3x2.f16x2 %h0, %r1", V1(X2(H(1), H(-1)), 0x3800));
    CHECK("cvt.rn.f16x2.e4m3x2 %r0, %h1", V1(0x38c0, X2(H(1), H(-2))));
    CHECK("cvt.rn.f16x2.e5m2x2 %r0, %h1", V1(0x3cbc, X2(H(1), H(-1))));
}

/* ---- mov, selections, predicates ---- */

static void test_mov(void)
{
    CHECK("mov.u32 %r0, %r1", V1(7, 7));
    CHECK("mov.f32 %f0, 0f3F800000", V1(0, F(1)));
    CHECK("mov.f32 %f0, 0d3FF0000000000000", V1(0, F(1)));
    CHECK("mov.u16 %h0, %h1", V1(7, 7));
    CHECK("mov.b64 %d0, %d1", V1(1ull << 40, 1ull << 40));
    CHECK("mov.b32 %r0, {%h1, %h2}", V2(0x1111, 0x2222, 0x22221111));
    CHECK("mov.b64 %d0, {%r1, %r2}", V2(0x11111111, 0x22222222, 0x2222222211111111));
    CHECK("mov.b64 %d0, {%h1, %h2, %h3, %h4}", V4(1, 2, 3, 4, 0x0004000300020001));
    CHECK("mov.b32 {%h0, _}, %r1", V1(0x22221111, 0x1111));
    CHECK("mov.b32 {%h9, %h0}, %r1", V1(0x22221111, 0x2222));
    CHECK("mov.b64 {%r9, %r0}, %d1", V1(0x2222222211111111, 0x22222222));
    CHECK("mov.b64 {%h9, _, %h0, _}, %d1", V1(0x0004000300020001, 3));
    CHECK("mov.pred %p0, %p1", V1(1, 1), V1(0, 0));
    CHECK("not.pred %p0, %p1", V1(1, 0), V1(0, 1));
    CHECK("and.pred %p0, %p1, %p2", V2(1, 1, 1), V2(1, 0, 0));
    CHECK("or.pred %p0, %p1, %p2", V2(0, 1, 1), V2(0, 0, 0));
    CHECK("xor.pred %p0, %p1, %p2", V2(1, 1, 0), V2(1, 0, 1));
    CHECK("selp.b32 %r0, %r1, %r2, %p3", V3(5, 6, 1, 5), V3(5, 6, 0, 6));
    CHECK("selp.f32 %f0, 0f3F800000, 0f00000000, %p1", V1(1, F(1)), V1(0, 0));
    CHECK("selp.u16 %h0, %h1, %h2, %p3", V3(5, 6, 1, 5), V3(5, 6, 0, 6));
    CHECK("selp.f64 %g0, %g1, %g2, %p3", V3(5, 6, 1, 5), V3(5, 6, 0, 6));
    CHECK("slct.u32.s32 %r0, %r1, %r2, %r3", V3(5, 6, 0, 5), V3(5, 6, M32(-1), 6));
    CHECK("slct.f64.f32 %g0, %g1, %g2, %f3", V3(5, 6, F(-0.0f), 5), V3(5, 6, F(NAN), 6),
          V3(5, 6, 0x80000001, 6));
    CHECK("slct.ftz.u32.f32 %r0, %r1, %r2, %f3", V3(5, 6, 0x80000001, 5), V3(5, 6, F(-1), 6));
}

static void test_setp(void)
{
    static const char *const ints[] = {"eq", "ne", "lt", "le", "gt", "ge"};
    static const char *const types[] = {"s32", "u32", "s16", "u16", "s64", "u64"};
    for (int t = 0; t < 6; t++)
        for (int o = 0; o < 6; o++) {
            char op[64], reg = types[t][1] == '1' ? 'h' : types[t][1] == '3' ? 'r' : 'd';
            bool minus_less = types[t][0] == 's'; /* -1 < 1 when signed */
            snprintf(op, sizeof op, "setp.%s.%s %%p0, %%%c1, %%%c2", ints[o], types[t], reg, reg);
            bool lt = o == 1 || o == 2 || o == 3, gt = o == 1 || o == 4 || o == 5,
                 eq = o == 0 || o == 3 || o == 5;
            CHECK(op, V2((u64)-1, 1, minus_less ? lt : gt), V2(1, 2, lt), V2(2, 1, gt),
                  V2(4, 4, eq));
        }
    static const struct {
        const char *name;
        bool lt, eq, gt, nan;
    } floats[] = {{"eq", 0, 1, 0, 0},  {"ne", 1, 0, 1, 0},  {"lt", 1, 0, 0, 0},
                  {"le", 1, 1, 0, 0},  {"gt", 0, 0, 1, 0},  {"ge", 0, 1, 1, 0},
                  {"equ", 0, 1, 0, 1}, {"neu", 1, 0, 1, 1}, {"ltu", 1, 0, 0, 1},
                  {"leu", 1, 1, 0, 1}, {"gtu", 0, 0, 1, 1}, {"geu", 0, 1, 1, 1},
                  {"num", 1, 1, 1, 0}, {"nan", 0, 0, 0, 1}};
    for (size_t o = 0; o < WS_COUNT(floats); o++) {
        char op[64];
        snprintf(op, sizeof op, "setp.%s.f32 %%p0, %%f1, %%f2", floats[o].name);
        CHECK(op, V2(F(1), F(2), floats[o].lt), V2(F(0), F(-0.0f), floats[o].eq),
              V2(F(2), F(1), floats[o].gt), V2(F(NAN), F(1), floats[o].nan),
              V2(F(1), F(NAN), floats[o].nan));
        snprintf(op, sizeof op, "setp.%s.f64 %%p0, %%g1, %%g2", floats[o].name);
        CHECK(op, V2(D(1), D(2), floats[o].lt), V2(D(0), D(-0.0), floats[o].eq),
              V2(D(2), D(1), floats[o].gt), V2(D(NAN), D(1), floats[o].nan));
        snprintf(op, sizeof op, "setp.%s.f16 %%p0, %%h1, %%h2", floats[o].name);
        CHECK(op, V2(H(1), H(2), floats[o].lt), V2(H(0), H(-0.0), floats[o].eq),
              V2(H(2), H(1), floats[o].gt), V2(0x7e00, H(1), floats[o].nan));
    }
    CHECK("setp.hi.u32 %p0, %r1, %r2", V2(2, 1, 1), V2(1, 2, 0));
    CHECK("setp.ls.u64 %p0, %d1, 5", V1(5, 1), V1(6, 0));
    CHECK("setp.eq.ftz.f32 %p0, %f1, %f2", V2(1, 0x80000002, 1), V2(F(1), 1, 0));
    CHECK("setp.lt.and.s32 %p0, %r1, %r2, %p3", V3(1, 2, 1, 1), V3(1, 2, 0, 0), V3(2, 1, 1, 0));
    CHECK("setp.lt.or.s32 %p0, %r1, %r2, !%p3", V3(1, 2, 1, 1), V3(2, 1, 0, 1), V3(2, 1, 1, 0));
    CHECK("setp.lt.xor.f32 %p0, %f1, %f2, %p3", V3(F(1), F(2), 1, 0), V3(F(2), F(1), 1, 1));
    CHECK("setp.lt.s32 %p9|%p0, %r1, %r2", V2(1, 2, 0), V2(2, 1, 1));
    CHECK("setp.ge.and.s32 %p9|%p0, %r1, %r2, %p3", V3(1, 2, 1, 1), V3(2, 1, 1, 0), V3(1, 2, 0, 0));
    CHECK("setp.lt.s32 _|%p0, %r1, %r2", V2(1, 2, 0), V2(2, 1, 1));
    CHECK("set.lt.u32.s32 %r0, %r1, %r2", V2(1, 2, 0xffffffff), V2(2, 1, 0));
    CHECK("set.ge.and.f32.f32 %f0, %f1, %f2, %p3", V3(F(2), F(1), 1, F(1)), V3(F(2), F(1), 0, 0));
}

static void test_addresses(void)
{
    CHECK("cvta.to.global.u64 %d0, %d1", V1(0x123456, 0x123456));
    CHECK("cvta.shared.u64 %d0, %d1", V1(64, PTX_WINDOW_SHARED + 64));
    CHECK("cvta.to.shared.u64 %d0, %d1", V1(PTX_WINDOW_SHARED + 64, 64));
    CHECK("cvta.local.u64 %d0, %d1", V1(64, PTX_WINDOW_LOCAL + 64));
    CHECK("cvta.param.u64 %d0, %d1", V1(64, PTX_WINDOW_PARAM + 64));
    CHECK("isspacep.shared %p0, %d1", V1(PTX_WINDOW_SHARED + 4, 1), V1(4, 0),
          V1(PTX_WINDOW_LOCAL, 0));
    CHECK("isspacep.global %p0, %d1", V1(PTX_WINDOW_SHARED + 4, 0), V1(0x7f0000000000, 1),
          V1(PTX_WINDOW_PARAM, 1));
}

/* Forms that are none, and operands of a wrong width, must not be taken for something else. */
static void test_rejected(void)
{
    static const char *const ops[] = {
        "add.rn.s32 %r0, %r1, %r2",      "add.f32 %f0, %f1, %d2",
        "mul.s32 %r0, %r1, %r2",         "shl.b32 %r0, %r1, %d2",
        "setp.lt.b32 %p0, %r1, %r2",     "setp.ltu.s32 %p0, %r1, %r2",
        "mad.lo.s32 %r0, %r1, %p2, %r3", "ex2.approx.f64 %g0, %g1",
        "cvt.s32.f32 %r0, %f1",          "mov.b32 %r0, %d1",
        "selp.b32 %r0, %r1, %r2, %r3",   "fma.sat.f64 %g0, %g1, %g2, %g3",
        "add.u32 %p0, %r1, %r2",         "cvt.u64.u32 %r0, %r1",
        "mul.wide.u32 %r0, %r1, %r2",
    };
    for (size_t k = 0; k < WS_COUNT(ops); k++) {
        fixture x;
        ok(!setup(&x, ops[k]) && x.program && x.program->unsupported, "unsupported: %s", ops[k]);
        teardown(&x);
    }
}

int main(void)
{
    test_add_mul();
    test_division();
    test_minmax_shift();
    test_bits();
    test_carry();
    test_division_random();
    test_fp();
    test_fp_select();
    test_accuracy();
    test_half();
    test_half_fma_random();
    test_bf16_fma_random();
    test_cvt_int();
    test_cvt_float();
    test_mov();
    test_setp();
    test_addresses();
    test_rejected();
    ok(fegetround() == FE_TONEAREST, "the rounding mode is as it was");
    return tap_done();
}
