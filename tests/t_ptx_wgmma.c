/* wgmma.mma_async: every type, the layouts of shared memory, A from registers, sparse A, signs;
 * against plain loops. Operands are laid out here by the canonical layouts of PTX
 * ISA 9.7.15.5.1.2.1.3, element by element. */
#include "base/buf.h"
#include "base/dtype.h"
#include "base/field.h"
#include "tests/ptx_run.h"

enum { ROWS = 64, MAX_N = 256, MAX_DEPTH = 256, A_BYTES = 8192, B_BYTES = 65536, THREADS = 128 };

typedef struct type {
    const char *name;
    int bits;
} type;
static const type f16 = {"f16", 16}, bf16 = {"bf16", 16}, tf32 = {"tf32", 32}, e4m3 = {"e4m3", 8},
    e5m2 = {"e5m2", 8}, s8 = {"s8", 8}, u8 = {"u8", 8}, b1 = {"b1", 1};

typedef struct form {
    const char *what;
    const type *a, *b;
    const char *d;
    int n, swizzle;            /* bytes; 0: none */
    bool a_m_major, b_n_major; /* transposed in memory */
    bool a_regs, sparse, neg_a, neg_b, keep, saturates;
} form;

static uint32_t prime; /* over a field, 0: not */
static uint8_t a_bytes[A_BYTES], b_bytes[B_BYTES];
static double A[ROWS][MAX_DEPTH], B[MAX_DEPTH][MAX_N]; /* A: packed when it is sparse */
static uint8_t column_of[ROWS][MAX_DEPTH];
static uint32_t meta[THREADS], fragments[THREADS][4];

static int depth(const form *f)
{
    return 256 / f->a->bits * (f->sparse ? 2 : 1);
}

static uint32_t encode(const type *t, double v)
{
    float x = (float)v;
    uint32_t bits;
    memcpy(&bits, &x, 4);
    if (prime)
        return ws_field_integer(prime, (int64_t)v) << (t == &tf32 ? 16 : 0);
    return t == &f16    ? ws_f16_from_f64(v)
           : t == &bf16 ? ws_bf16_from_f64(v)
           : t == &tf32 ? bits
           : t == &e4m3 ? ws_e4m3_from_f64(v)
           : t == &e5m2 ? ws_e5m2_from_f64(v)
                        : (uint32_t)(int)v;
}

/* ---- layouts ---- */

typedef struct strides {
    uint32_t lbo, sbo;
} strides;

/* Large enough that no two elements meet. */
static strides strides_of(const form *f, bool mn_major, int lines, int k)
{
    uint32_t s = f->swizzle ? (uint32_t)f->swizzle : 16, unit = 128 / (uint32_t)f->a->bits;
    if (!mn_major && !f->swizzle)
        return (strides){(uint32_t)lines / 8 * 128, 128};
    if (!mn_major)
        return (strides){(uint32_t)lines / 8 * 8 * s, 8 * s};
    if (!f->swizzle)
        return (strides){(uint32_t)lines / unit * 128, 128};
    return (strides){(uint32_t)k / 8 * 8 * s, 8 * s};
}

static uint32_t place(const form *f, bool mn_major, strides st, uint32_t line, uint32_t k, int bits)
{
    uint32_t unit = 128 / (uint32_t)bits, s = f->swizzle ? (uint32_t)f->swizzle : 16, per = s / 16,
             at;
    uint32_t inner = mn_major ? line : k;
    if (!mn_major && !f->swizzle)
        at = line % 8 * 16 + line / 8 * st.sbo + k / unit * st.lbo;
    else if (!mn_major)
        at = line % 8 * s + line / 8 * st.sbo + k / unit % per * 16 + k / unit / per * st.lbo;
    else if (!f->swizzle)
        at = line / unit * st.sbo + k % 8 * 16 + k / 8 * st.lbo;
    else
        at = line / unit % per * 16 + line / unit / per * st.lbo + k % 8 * s + k / 8 * st.sbo;
    at += inner % unit * (uint32_t)bits / 8;
    return at ^ ((at >> 7 & (per - 1)) << 4);
}

static void put(uint8_t *bytes, uint32_t at, const type *t, uint32_t k, double v)
{
    uint32_t code = encode(t, v);
    if (t == &b1)
        bytes[at] |= (uint8_t)((int)v << k % 8);
    else
        memcpy(bytes + at, &code, (size_t)t->bits / 8);
}

/* ---- values ---- */

static double value(const type *t, uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    int v = (int)(*seed >> 24);
    return t == &b1 ? v & 1 : t == &u8 ? v : t == &s8 ? v - 128 : v % 7 - 3;
}

/* Two of every four columns of a row of A have elements; of tf32, one of two. */
static void choose_columns(const form *f, int row, uint32_t *seed)
{
    static const uint8_t pairs[6][2] = {{0, 1}, {0, 2}, {0, 3}, {1, 2}, {1, 3}, {2, 3}};
    int k = depth(f);
    bool wide = f->a->bits == 32;
    for (int c = 0; c < (wide ? k / 2 : k / 4); c++) {
        *seed = *seed * 1664525u + 1013904223u;
        const uint8_t *p = pairs[(*seed >> 16) % 6];
        uint32_t one = *seed >> 20 & 1, code = wide ? (one ? 14 : 4) : (uint32_t)(p[0] | p[1] << 2);
        int g = row % 8, high = row / 8 % 2, warp = row / 16;
        if (wide) {
            column_of[row][c] = (uint8_t)(2 * c + (int)one);
        } else {
            column_of[row][2 * c] = (uint8_t)(4 * c + p[0]);
            column_of[row][2 * c + 1] = (uint8_t)(4 * c + p[1]);
        }
        int lane = f->a->bits == 8 ? 4 * g + 2 * (c / 8) + high : 4 * g + c / 4;
        int shift = f->a->bits == 8 ? 4 * (c % 8) : 16 * high + 4 * (c % 4);
        meta[warp * 32 + lane] |= code << shift;
    }
}

static void fill(const form *f)
{
    int k = depth(f), kept = f->sparse ? k / 2 : k;
    uint32_t seed = 7;
    memset(a_bytes, 0, sizeof a_bytes);
    memset(b_bytes, 0, sizeof b_bytes);
    memset(meta, 0, sizeof meta);
    memset(fragments, 0, sizeof fragments);
    strides sa = strides_of(f, f->a_m_major, ROWS, kept), sb = strides_of(f, f->b_n_major, f->n, k);
    for (int r = 0; r < ROWS; r++) {
        for (int q = 0; q < kept; q++) {
            A[r][q] = value(f->a, &seed);
            column_of[r][q] = (uint8_t)q;
            put(a_bytes, place(f, f->a_m_major, sa, (uint32_t)r, (uint32_t)q, f->a->bits), f->a,
                (uint32_t)q, A[r][q]);
            uint32_t per = 32 / (uint32_t)f->a->bits,
                     word = (uint32_t)q / per; /* of 8 a row, as in mma fragments */
            uint32_t thread = (uint32_t)r / 16 * 32 + (uint32_t)r % 8 * 4 + word % 4;
            put((uint8_t *)&fragments[thread][word / 4 * 2 + (uint32_t)r / 8 % 2],
                (uint32_t)q % per * (uint32_t)f->a->bits / 8, f->a, (uint32_t)q, A[r][q]);
        }
        if (f->sparse)
            choose_columns(f, r, &seed);
    }
    for (int q = 0; q < k; q++)
        for (int j = 0; j < f->n; j++) {
            B[q][j] = value(f->b, &seed);
            put(b_bytes, place(f, f->b_n_major, sb, (uint32_t)j, (uint32_t)q, f->b->bits), f->b,
                (uint32_t)q, B[q][j]);
        }
}

static double expected(const form *f, int row, int col, double before)
{
    double sum = f->keep ? before : 0, sign = f->neg_a != f->neg_b ? -1 : 1;
    for (int q = 0; q < depth(f) / (f->sparse ? 2 : 1); q++)
        sum += sign * A[row][q] * B[column_of[row][q]][col];
    if (prime)
        return ws_field_integer(prime, (int64_t)sum);
    return f->saturates && sum > INT32_MAX ? INT32_MAX : sum;
}

/* ---- the kernel ---- */

static void list(ws_buf *t, const char *reg, int n)
{
    for (int i = 0; i < n; i++)
        ws_buf_printf(t, "%s%%%s%d", i ? ", " : "{", reg, i);
    ws_buf_adds(t, "}");
}

static uint64_t descriptor(const form *f, strides s)
{
    uint64_t mode = f->swizzle == 128 ? 1 : f->swizzle == 64 ? 2 : f->swizzle == 32 ? 3 : 0;
    return (uint64_t)(s.lbo >> 4) << 16 | (uint64_t)(s.sbo >> 4) << 32 | mode << 62;
}

static void write_product(ws_buf *t, const form *f, int regs)
{
    bool is_int = strcmp(f->d, "s32") == 0, turns = f->a->bits == 16;
    ws_buf_printf(t, "wgmma.mma_async%s.sync.aligned.m64n%dk%d%s.%s.%s.%s%s ",
                  f->sparse ? ".sp" : "", f->n, depth(f), f->saturates ? ".satfinite" : "", f->d,
                  f->a->name, f->b->name, f->a == &b1 ? ".and.popc" : "");
    list(t, "d", regs);
    if (f->a_regs)
        ws_buf_adds(t, ", {%a0, %a1, %a2, %a3}, %db");
    else
        ws_buf_adds(t, ", %da, %db");
    if (f->sparse)
        ws_buf_adds(t, ", %m, 0");
    ws_buf_adds(t, ", %p");
    if (!is_int)
        ws_buf_printf(t, ", %d, %d", f->neg_a ? -1 : 1, f->neg_b ? -1 : 1);
    if (turns && !f->a_regs)
        ws_buf_printf(t, ", %d", f->a_m_major);
    if (turns)
        ws_buf_printf(t, ", %d", f->b_n_major);
    ws_buf_adds(t, ";\n");
}

static void write_kernel(ws_buf *t, const form *f, int regs)
{
    strides sa = strides_of(f, f->a_m_major, ROWS, depth(f) / (f->sparse ? 2 : 1)),
            sb = strides_of(f, f->b_n_major, f->n, depth(f));
    ws_buf_printf(
        t,
        ".version 8.7\n.target sm_90a\n.address_size 64\n.extern .shared .align 1024 .b8 s[];\n"
        ".visible .entry k(.param .u64 a, .param .u64 b, .param .u64 m, .param .u64 fr, .param "
        ".u64 in, "
        ".param .u64 out)\n{\n.reg .b64 %%x<8>; .reg .b64 %%da; .reg .b64 %%db; .reg .b32 %%r<8>; "
        ".reg .b32 "
        "%%a<4>; .reg .b32 %%m; .reg .b32 %%d<%d>; .reg .pred %%p; .reg .pred %%q;\n"
        "mov.u32 %%r0, %%tid.x; mov.u32 %%r1, s;\n",
        regs);
    for (int part = 0; part < 2; part++) /* bytes to shared memory, by words */
        ws_buf_printf(t,
                      "ld.param.u64 %%x0, [%s]; mov.u32 %%r2, %%r0;\n"
                      "COPY%d: mul.wide.u32 %%x1, %%r2, 4; add.s64 %%x1, %%x0, %%x1; ld.global.b32 "
                      "%%r5, [%%x1];\n"
                      "shl.b32 %%r4, %%r2, 2; add.u32 %%r4, %%r4, %%r1; st.shared.b32 [%%r4+%d], "
                      "%%r5; add.u32 %%r2, "
                      "%%r2, %d; setp.lt.u32 %%q, %%r2, %d; @%%q bra COPY%d;\n",
                      part ? "b" : "a", part, part ? A_BYTES : 0, THREADS,
                      (part ? B_BYTES : A_BYTES) / 4, part);
    ws_buf_printf(
        t,
        "fence.proxy.async.shared::cta; bar.sync 0;\n"
        "shr.u32 %%r2, %%r1, 4; cvt.u64.u32 %%x0, %%r2; mov.u64 %%da, %llu; or.b64 %%da, %%da, "
        "%%x0;\n"
        "add.u32 %%r3, %%r2, %d; cvt.u64.u32 %%x0, %%r3; mov.u64 %%db, %llu; or.b64 %%db, %%db, "
        "%%x0;\n"
        "ld.param.u64 %%x0, [m]; mul.wide.u32 %%x1, %%r0, 4; add.s64 %%x0, %%x0, %%x1; "
        "ld.global.b32 %%m, "
        "[%%x0];\nld.param.u64 %%x0, [fr]; mul.wide.u32 %%x1, %%r0, 16; add.s64 %%x0, %%x0, %%x1; "
        "ld.global.v4.b32 {%%a0, %%a1, %%a2, %%a3}, [%%x0];\n"
        "ld.param.u64 %%x0, [in]; mul.wide.u32 %%x1, %%r0, %d; add.s64 %%x2, %%x0, %%x1;\n",
        (unsigned long long)descriptor(f, sa), A_BYTES / 16, (unsigned long long)descriptor(f, sb),
        4 * regs);
    for (int i = 0; i < regs; i++)
        ws_buf_printf(t, "ld.global.b32 %%d%d, [%%x2+%d];\n", i, 4 * i);
    ws_buf_printf(t, "setp.eq.u32 %%p, 1, %d;\nwgmma.fence.sync.aligned;\n", f->keep);
    write_product(t, f, regs);
    ws_buf_adds(t, "wgmma.commit_group.sync.aligned;\nwgmma.wait_group.sync.aligned 0;\n"
                   "ld.param.u64 %x0, [out]; add.s64 %x2, %x0, %x1;\n");
    for (int i = 0; i < regs; i++)
        ws_buf_printf(t, "st.global.b32 [%%x2+%d], %%d%d;\n", 4 * i, i);
    ws_buf_adds(t, "ret;\n}\n");
}

/* ---- checks ---- */

static double result(const form *f, const uint32_t *regs, int i)
{
    float x;
    if (prime)
        return strcmp(f->d, "f16") == 0 ? (double)(uint16_t)(regs[i / 2] >> 16 * (i & 1))
                                        : (double)(regs[i] >> 16);
    if (strcmp(f->d, "f16") == 0)
        return ws_f16_to_f64((uint16_t)(regs[i / 2] >> 16 * (i & 1)));
    memcpy(&x, &regs[i], 4);
    return strcmp(f->d, "s32") == 0 ? (double)(int32_t)regs[i] : (double)x;
}

static void check(const form *f)
{
    static uint32_t in[THREADS * MAX_N / 2], out[THREADS * MAX_N / 2];
    int per = f->n / 2, regs = strcmp(f->d, "f16") == 0 ? per / 2 : per, bad = 0;
    ws_buf t = {0};
    fill(f);
    for (int i = 0; i < THREADS * regs; i++) {
        float x = (float)(i % 9);
        memcpy(&in[i], &x, 4);
        if (f->d[0] == 's')
            in[i] = f->saturates ? (uint32_t)INT32_MAX - 5 : (uint32_t)i;
        else if (strcmp(f->d, "f16") == 0)
            in[i] = ws_f16_from_f64(i % 9) * 0x10001u;
        if (prime)
            in[i] =
                strcmp(f->d, "f16") == 0 ? (uint32_t)(i % 9) * 0x10001u : (uint32_t)(i % 9) << 16;
    }
    write_kernel(&t, f, regs);
    run_case c = {.block = {THREADS},
                  .prime = prime,
                  .shared = A_BYTES + B_BYTES,
                  .n_buffers = 6,
                  .buffer = {{a_bytes, sizeof a_bytes, false, "a", false},
                             {b_bytes, sizeof b_bytes, false, "b", false},
                             {meta, sizeof meta, false, "meta", .whole = true},
                             {fragments, sizeof fragments, false, "fragments", false},
                             {in, (size_t)(THREADS * regs) * 4, false, "in", false},
                             {out, (size_t)(THREADS * regs) * 4, true, "out", false}}};
    bool ran = run_ptx(ws_buf_z(&t), &c);
    for (int thread = 0; ran && thread < THREADS; thread++)
        for (int i = 0; i < per; i++) {
            int lane = thread % 32, row = thread / 32 * 16 + lane / 4 + (i & 2 ? 8 : 0);
            int col = i / 4 * 8 + lane % 4 * 2 + (i & 1);
            double got = result(f, out + thread * regs, i),
                   want = expected(f, row, col, result(f, in + thread * regs, i));
            if (got != want && bad++ < 3)
                printf("# row %d column %d: %g, not %g\n", row, col, got, want);
        }
    ok(ran && !bad, "%s%s m64n%dk%d %s.%s.%s, swizzle %d%s%s%s%s", prime ? "over a field: " : "",
       f->what, f->n, depth(f), f->d, f->a->name, f->b->name, f->swizzle,
       f->a_m_major ? ", A by columns" : "", f->b_n_major ? ", B by rows" : "", ran ? "" : ": ",
       ran ? "" : run_fault());
    ws_buf_release(&t);
}

int main(void)
{
    static const type *const floats[] = {&f16, &bf16, &tf32, &e4m3, &e5m2};
    static const int widths[] = {8, 24, 40, 96, 176, 256}, ints[] = {8, 24, 48, 112, 256},
        swizzles[] = {0, 32, 64, 128};
    for (size_t t = 0; t < WS_COUNT(floats); t++)
        for (size_t s = 0; s < WS_COUNT(swizzles); s++) {
            check(&(form){"dense", floats[t], floats[t], "f32", widths[t], swizzles[s],
                          .keep = true});
            check(&(form){"sparse", floats[t], floats[t], "f32", widths[t], swizzles[s],
                          .sparse = true, .neg_b = s & 1});
        }
    for (size_t s = 0; s < WS_COUNT(swizzles); s++)
        for (int major = 1; major < 4; major++)
            check(&(form){"turned", s & 1 ? &f16 : &bf16, s & 1 ? &f16 : &bf16, "f32", 64,
                          swizzles[s], major & 1, major >> 1,
                          .sparse = major == 2 && s});
    for (size_t n = 0; n < WS_COUNT(ints); n++) {
        check(&(form){"dense", n & 1 ? &s8 : &u8, n & 2 ? &s8 : &u8, "s32", ints[n], 128,
                      .keep = true});
        check(&(form){"sparse", n & 1 ? &s8 : &u8, n & 2 ? &s8 : &u8, "s32", ints[n], 64,
                      .sparse = true});
        check(&(form){"bits", &b1, &b1, "s32", ints[n], n & 1 ? 128 : 32, .keep = true});
    }
    check(&(form){"saturated", &u8, &u8, "s32", 16, 128, .keep = true, .saturates = true});
    for (size_t n = 0; n < WS_COUNT(widths); n++) {
        check(&(form){"halves", &f16, &f16, "f16", widths[n], 128, .keep = true, .neg_a = true});
        check(&(form){"A in registers", floats[n % 5], floats[n % 5], "f32", widths[n], 128,
                      .a_regs = true});
        check(&(form){"sparse A in registers", floats[n % 5], floats[n % 5], "f32", widths[n], 64,
                      .a_regs = true,
                      .sparse = true});
    }
    check(&(form){"sparse halves", &f16, &f16, "f16", 32, 128, .keep = true, .sparse = true});
    check(&(form){"sparse halves", &e4m3, &e5m2, "f16", 64, 64, .sparse = true});
    check(&(form){"sparse", &s8, &s8, "s32", 64, 128, .sparse = true, .saturates = true});
    check(&(form){"two types", &e4m3, &e5m2, "f16", 64, 128, .keep = true});
    check(&(form){"two types", &e5m2, &e4m3, "f32", 64, 128, .a_regs = true, .sparse = true});
    prime = 40961;
    for (size_t s = 0; s < WS_COUNT(swizzles); s++) {
        check(&(form){"dense", floats[s % 3], floats[s % 3], "f32", widths[s], swizzles[s],
                      .keep = true});
        check(&(form){"A in registers", floats[s % 3], floats[s % 3], "f32", widths[s], swizzles[s],
                      .a_regs = true, .neg_b = true});
        check(&(form){"halves", &f16, &f16, "f16", widths[s], swizzles[s], .keep = true,
                      .neg_a = true});
    }
    return tap_done();
}
