/* Matrix instructions of the PTX engine against plain loops. Fragments are packed here as the PTX
 * ISA's tables say, element by element. */
#include "base/buf.h"
#include "base/dtype.h"
#include "tests/ptx_run.h"

/* ---- mma.sync: one instruction ---- */

typedef struct shape {
    const char *types; /* ".f32.f16.f16.f32" */
    int m, k, bits;    /* of an element of A and B */
    char
        kind; /* h f16, b bf16, t tf32, 4 e4m3, 5 e5m2, d f64, s signed, u unsigned, x xor, a and */
    char acc; /* f f32, h f16, d f64, i s32 */
} shape;

enum { MAX_K = 256 };
static double A[16][MAX_K], B[MAX_K][8], C[16][8];

static void a_place(const shape *s, int lane, int i, int *row, int *col)
{
    int g = lane >> 2, t = lane & 3, e = s->bits == 64 ? 1 : 32 / s->bits, reg = i / e,
        rows = s->m / 8;
    *row = g + (reg % rows ? 8 : 0);
    *col = t * e + i % e + reg / rows * 4 * e;
}

static void b_place(const shape *s, int lane, int i, int *row, int *col)
{
    int g = lane >> 2, t = lane & 3, e = s->bits == 64 ? 1 : 32 / s->bits;
    *col = g;
    *row = t * e + i % e + i / e * 4 * e;
}

static void c_place(int lane, int i, int *row, int *col)
{
    *row = (lane >> 2) + (i >= 2 ? 8 : 0);
    *col = (lane & 3) * 2 + (i & 1);
}

static uint64_t encode(char kind, double v)
{
    float f = (float)v;
    uint32_t b;
    memcpy(&b, &f, 4);
    switch (kind) {
    case 'h':
        return ws_f16_from_f64(v);
    case 'b':
        return ws_bf16_from_f64(v);
    case '4':
        return ws_e4m3_from_f64(v);
    case '5':
        return ws_e5m2_from_f64(v);
    case 't':
    case 'f':
        return b;
    case 'd': {
        uint64_t u;
        memcpy(&u, &v, 8);
        return u;
    }
    default:
        return (uint64_t)(int64_t)v;
    }
}

static double decode(char kind, uint64_t bits)
{
    if (kind == 'h')
        return ws_f16_to_f64((uint16_t)bits);
    if (kind == 'i')
        return (int32_t)bits;
    if (kind == 'd') {
        double v;
        memcpy(&v, &bits, 8);
        return v;
    }
    float f;
    uint32_t b = (uint32_t)bits;
    memcpy(&f, &b, 4);
    return f;
}

/* Element i of `bits` wide in the registers of a lane. */
static void put(uint8_t *lane, int bits, int i, uint64_t v)
{
    for (int b = 0; b < bits; b++) {
        int at = i * bits + b;
        lane[at / 8] =
            (uint8_t)((lane[at / 8] & ~(1u << at % 8)) | (unsigned)(v >> b & 1) << at % 8);
    }
}

static uint64_t take(const uint8_t *lane, int bits, int i)
{
    uint64_t v = 0;
    for (int b = 0; b < bits; b++)
        v |= (uint64_t)(lane[(i * bits + b) / 8] >> (i * bits + b) % 8 & 1) << b;
    return v;
}

static void load_regs(ws_buf *t, const char *name, int param, int n, int wide)
{
    ws_buf_printf(t, "ld.param.u64 %%rd1, [p%d];\nmad.wide.u32 %%rd1, %%r0, %d, %%rd1;\n", param,
                  n * wide);
    for (int r = 0; r < n; r++)
        ws_buf_printf(t, "ld.global.b%d %s%d, [%%rd1+%d];\n", 8 * wide, name, r, r * wide);
}

static void list_regs(ws_buf *t, const char *name, int n)
{
    ws_buf_adds(t, "{");
    for (int r = 0; r < n; r++)
        ws_buf_printf(t, "%s%s%d", r ? ", " : "", name, r);
    ws_buf_adds(t, "}");
}

/* A kernel that loads a, b, c, executes `op` and stores d. */
static void write_kernel(ws_buf *t, const char *op, int na, int nb, int nc, int nd, int wide)
{
    ws_buf_printf(t,
                  ".version 8.7\n.target sm_90a\n.address_size 64\n.visible .entry k(.param .u64 "
                  "p0, .param .u64 p1, "
                  ".param .u64 p2, .param .u64 p3)\n{\n.reg .b32 %%r<4>;\n.reg .b64 %%rd<4>;\n"
                  ".reg .b%d %%a<9>;\n.reg .b%d %%b<9>;\n.reg .b%d %%c<9>;\n.reg .b%d "
                  "%%d<9>;\nmov.u32 %%r0, %%tid.x;\n",
                  8 * wide, 8 * wide, 8 * wide, 8 * wide);
    load_regs(t, "%a", 0, na, wide);
    load_regs(t, "%b", 1, nb, wide);
    load_regs(t, "%c", 2, nc, wide);
    ws_buf_printf(t, "%s ", op);
    list_regs(t, "%d", nd);
    ws_buf_adds(t, ", ");
    list_regs(t, "%a", na);
    ws_buf_adds(t, ", ");
    list_regs(t, "%b", nb);
    ws_buf_adds(t, ", ");
    list_regs(t, "%c", nc);
    ws_buf_printf(t, ";\nld.param.u64 %%rd1, [p3];\nmad.wide.u32 %%rd1, %%r0, %d, %%rd1;\n",
                  nd * wide);
    for (int r = 0; r < nd; r++)
        ws_buf_printf(t, "st.global.b%d [%%rd1+%d], %%d%d;\n", 8 * wide, r * wide, r);
    ws_buf_adds(t, "ret;\n}\n");
}

static double random_value(const shape *s, unsigned *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    int v = (int)(*seed >> 20);
    switch (s->kind) {
    case 's':
        return s->bits == 8 ? v % 256 - 128 : v % 16 - 8;
    case 'u':
        return v % (s->bits == 8 ? 256 : 16);
    case 'x':
    case 'a':
        return v & 1;
    default:
        return v % 17 - 8; /* sums of products are exact */
    }
}

static double expected(const shape *s, int r, int c)
{
    double sum = C[r][c];
    for (int k = 0; k < s->k; k++) {
        int x = (int)A[r][k], y = (int)B[k][c];
        sum += s->kind == 'x' ? x ^ y : A[r][k] * B[k][c];
    }
    return sum;
}

static uint8_t fa[32][64], fb[32][64], fc[32][64], fd[32][64];

static run_case mma_case(int na, int nb, int nc, int nd, int wide)
{
    return (run_case){.n_buffers = 4,
                      .buffer = {{fa, (size_t)(32 * na * wide), false, "a"},
                                 {fb, (size_t)(32 * nb * wide), false, "b"},
                                 {fc, (size_t)(32 * nc * wide), false, "c"},
                                 {fd, (size_t)(32 * nd * wide), true, "d"}}};
}

/* Fragments lie densely, n registers a lane. */
static uint8_t *lane_of(uint8_t f[32][64], int lane, int n, int wide)
{
    return &f[0][0] + lane * n * wide;
}

static void check_mma(const shape *s)
{
    unsigned seed = (unsigned)(s->m * 131 + s->k * 7 + s->bits);
    int wide = s->kind == 'd' ? 8 : 4, cbits = s->acc == 'h' ? 16 : s->acc == 'd' ? 64 : 32;
    int na = s->m * s->k * s->bits / 32 / (8 * wide), nb = 8 * s->k * s->bits / 32 / (8 * wide),
        nc = s->m * 8 * cbits / 32 / (8 * wide);
    int row, col, bad = 0;
    for (int k = 0; k < s->k; k++) {
        for (int r = 0; r < s->m; r++)
            A[r][k] = random_value(s, &seed);
        for (int c = 0; c < 8; c++)
            B[k][c] = random_value(s, &seed);
    }
    for (int r = 0; r < s->m; r++)
        for (int c = 0; c < 8; c++)
            C[r][c] = r * 8 + c - 60;
    for (int l = 0; l < 32; l++) {
        for (int i = 0; i < na * wide * 8 / s->bits; i++) {
            a_place(s, l, i, &row, &col);
            put(lane_of(fa, l, na, wide), s->bits, i, encode(s->kind, A[row][col]));
        }
        for (int i = 0; i < nb * wide * 8 / s->bits; i++) {
            b_place(s, l, i, &row, &col);
            put(lane_of(fb, l, nb, wide), s->bits, i, encode(s->kind, B[row][col]));
        }
        for (int i = 0; i < nc * wide * 8 / cbits; i++) {
            c_place(l, i, &row, &col);
            put(lane_of(fc, l, nc, wide), cbits, i, encode(s->acc, C[row][col]));
        }
    }
    char op[128];
    snprintf(op, sizeof op, "mma.sync.aligned.m%dn8k%d.row.col%s%s", s->m, s->k, s->types,
             s->kind == 'x'   ? ".xor.popc"
             : s->kind == 'a' ? ".and.popc"
                              : "");
    ws_buf text = {0};
    write_kernel(&text, op, na, nb, nc, nc, wide);
    run_case c = mma_case(na, nb, nc, nc, wide);
    bool ran = run_ptx(ws_buf_z(&text), &c);
    for (int l = 0; ran && l < 32; l++)
        for (int i = 0; i < nc * wide * 8 / cbits; i++) {
            c_place(l, i, &row, &col);
            double got = decode(s->acc, take(lane_of(fd, l, nc, wide), cbits, i));
            if (got != expected(s, row, col) && !bad++)
                printf("# row %d column %d: %g, expected %g\n", row, col, got,
                       expected(s, row, col));
        }
    ok(ran && !bad, "%s%s", op, ran ? "" : run_fault());
    ws_buf_release(&text);
}

static const shape shapes[] = {
    {".f32.f16.f16.f32", 16, 8, 16, 'h', 'f'},   {".f32.f16.f16.f32", 16, 16, 16, 'h', 'f'},
    {".f16.f16.f16.f16", 16, 8, 16, 'h', 'h'},   {".f16.f16.f16.f16", 16, 16, 16, 'h', 'h'},
    {".f32.bf16.bf16.f32", 16, 8, 16, 'b', 'f'}, {".f32.bf16.bf16.f32", 16, 16, 16, 'b', 'f'},
    {".f32.tf32.tf32.f32", 16, 4, 32, 't', 'f'}, {".f32.tf32.tf32.f32", 16, 8, 32, 't', 'f'},
    {".f32.e4m3.e4m3.f32", 16, 32, 8, '4', 'f'}, {".f32.e5m2.e5m2.f32", 16, 32, 8, '5', 'f'},
    {".f32.e4m3.e4m3.f32", 16, 16, 8, '4', 'f'}, {".f64.f64.f64.f64", 8, 4, 64, 'd', 'd'},
    {".f64.f64.f64.f64", 16, 4, 64, 'd', 'd'},   {".f64.f64.f64.f64", 16, 8, 64, 'd', 'd'},
    {".f64.f64.f64.f64", 16, 16, 64, 'd', 'd'},  {".s32.s8.s8.s32", 8, 16, 8, 's', 'i'},
    {".s32.s8.s8.s32", 16, 16, 8, 's', 'i'},     {".s32.s8.s8.s32", 16, 32, 8, 's', 'i'},
    {".s32.u8.u8.s32", 16, 32, 8, 'u', 'i'},     {".s32.s4.s4.s32", 8, 32, 4, 's', 'i'},
    {".s32.s4.s4.s32", 16, 32, 4, 's', 'i'},     {".s32.s4.s4.s32", 16, 64, 4, 's', 'i'},
    {".s32.u4.u4.s32", 16, 64, 4, 'u', 'i'},     {".s32.b1.b1.s32", 8, 128, 1, 'x', 'i'},
    {".s32.b1.b1.s32", 16, 128, 1, 'x', 'i'},    {".s32.b1.b1.s32", 16, 256, 1, 'a', 'i'},
};

/* ---- rounding: the first row and column of m16n8k16 ---- */

/* d[0][0] of f16 products a[k] * 1 and c, in the given model. */
static double one_sum(const double *a, int n, double c, ptx_mma_model model)
{
    static const shape s = {".f32.f16.f16.f32", 16, 16, 16, 'h', 'f'};
    int row, col;
    memset(fa, 0, sizeof fa);
    memset(fb, 0, sizeof fb);
    memset(fc, 0, sizeof fc);
    for (int l = 0; l < 32; l++) {
        for (int i = 0; i < 8; i++) {
            a_place(&s, l, i, &row, &col);
            put(lane_of(fa, l, 4, 4), 16, i, encode('h', row == 0 && col < n ? a[col] : 0));
        }
        for (int i = 0; i < 4; i++) {
            b_place(&s, l, i, &row, &col);
            put(lane_of(fb, l, 2, 4), 16, i, encode('h', 1));
        }
    }
    put(lane_of(fc, 0, 4, 4), 32, 0, encode('f', c));
    ws_buf text = {0};
    write_kernel(&text, "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32", 4, 2, 4, 4, 4);
    run_case r = mma_case(4, 2, 4, 4, 4);
    r.model = model;
    bool ran = run_ptx(ws_buf_z(&text), &r);
    ws_buf_release(&text);
    return ran ? decode('f', take(lane_of(fd, 0, 4, 4), 32, 0)) : NAN;
}

static void test_rounding(void)
{
    const double ones[3] = {1, 1, 1}, tiny[2] = {0x1p-24, 0x1p-24}, big[2] = {65504, -65504},
                 inf[1] = {INFINITY};
    ok(one_sum(ones, 3, 0x1p24, PTX_MMA_HOPPER) == 0x1p24 + 2, "sums are cut to f32");
    ok(one_sum(ones, 3, 0x1p25, PTX_MMA_AMPERE) == 0x1p25,
       "Ampere keeps 24 fractional bits of each term");
    ok(one_sum(ones, 3, 0x1p25, PTX_MMA_HOPPER) == 0x1p25, "3 beside 2^25 is cut");
    ok(one_sum(ones, 3, 0x1p25, PTX_MMA_EXACT) == 0x1p25 + 4, "the exact model rounds to nearest");
    ok(one_sum(tiny, 2, 0x1.fffffep0, PTX_MMA_HOPPER) == 0x1.fffffep0 + 0x1p-23,
       "two halves of the last place add up");
    ok(one_sum(big, 2, -1.5, PTX_MMA_HOPPER) == -1.5, "terms that cancel");
    ok(one_sum(tiny, 1, 0, PTX_MMA_HOPPER) == 0x1p-24, "subnormal halves");
    ok(one_sum(NULL, 0, 0x1p-140, PTX_MMA_HOPPER) == 0x1p-140, "a subnormal accumulator alone");
    ok(isinf(one_sum(inf, 1, 1, PTX_MMA_HOPPER)), "infinity");
    ok(isnan(one_sum(inf, 1, -INFINITY, PTX_MMA_HOPPER)), "infinity less infinity");
}

/* ---- m8n8k4: four products of quads of lanes ---- */

/* Row and column of element i of lane l in C and D. */
static void quad_place(bool half, int l, int i, int *row, int *col)
{
    *row = half ? l % 4 : (l & 1) + (i & 2);
    *row += l >= 16 ? 4 : 0;
    *col = half ? i : (i & 4) + (l & 2) + (i & 1);
}

static void check_quads(bool col_a, bool row_b, bool half_c, bool half_d)
{
    double a[4][8][4], b[4][4][8];
    int bad = 0, row, col, n_c = half_c ? 4 : 8, n_d = half_d ? 4 : 8;
    for (int p = 0; p < 4; p++)
        for (int r = 0; r < 8; r++)
            for (int k = 0; k < 4; k++) {
                a[p][r][k] = (p * 5 + r * 3 + k) % 7 - 3;
                b[p][k][r] = (p * 3 + r + k * 5) % 9 - 4;
            }
    for (int l = 0; l < 32; l++) {
        int p = l % 16 / 4, low = l % 4, high = l >= 16 ? 4 : 0;
        for (int i = 0; i < 4; i++) {
            put(lane_of(fa, l, 2, 4), 16, i,
                encode('h', col_a ? a[p][i + high][low] : a[p][low + high][i]));
            put(lane_of(fb, l, 2, 4), 16, i,
                encode('h', row_b ? b[p][low][i + high] : b[p][i][low + high]));
        }
        for (int i = 0; i < 8; i++) {
            quad_place(half_c, l, i, &row, &col);
            put(lane_of(fc, l, n_c, 4), half_c ? 16 : 32, i,
                encode(half_c ? 'h' : 'f', (row * 3 + col + p) % 11));
        }
    }
    char op[80];
    snprintf(op, sizeof op, "mma.sync.aligned.m8n8k4.%s.%s.%s.f16.f16.%s", col_a ? "col" : "row",
             row_b ? "row" : "col", half_d ? "f16" : "f32", half_c ? "f16" : "f32");
    ws_buf text = {0};
    write_kernel(&text, op, 2, 2, n_c, n_d, 4);
    run_case c = mma_case(2, 2, n_c, n_d, 4);
    bool ran = run_ptx(ws_buf_z(&text), &c);
    for (int l = 0; l < 32; l++)
        for (int i = 0; i < 8; i++) {
            int p = l % 16 / 4;
            quad_place(half_d, l, i, &row, &col);
            double want = (row * 3 + col + p) % 11;
            for (int k = 0; k < 4; k++)
                want += a[p][row][k] * b[p][k][col];
            bad += decode(half_d ? 'h' : 'f', take(lane_of(fd, l, n_d, 4), half_d ? 16 : 32, i)) !=
                   want;
        }
    ok(ran && !bad, "%s%s", op, ran ? "" : run_fault());
    ws_buf_release(&text);
}

static void test_quads(void)
{
    for (int layout = 0; layout < 4; layout++)
        for (int types = 0; types < 3; types++)
            check_quads(layout & 1, layout & 2, types > 0, types == 1);
}

/* ---- faults ---- */

#define BODY(text)                                                                                 \
    ".version 8.7\n.target sm_90a\n.address_size 64\n.visible .entry k(.param .u64 p0)\n{\n.reg "  \
    ".pred %p<4>;\n"                                                                               \
    ".reg .b32 %r<16>;\n.reg .b64 %rd<4>;\n.shared .align 16 .b8 s[1024];\nmov.u32 %r0, "          \
    "%tid.x;\n" text "ret;\n}\n"
#define MMA                                                                                        \
    "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "                                           \
    "{%r1,%r2,%r3,%r4},{%r1,%r2,%r3,%r4},{%r5,%r6},{%r7,%r8,%r9,%r10};\n"

static void check_fault(const char *what, const char *text, uint32_t threads, hx_reason reason)
{
    uint32_t out[256];
    run_case c = {
        .n_buffers = 1, .buffer = {{out, sizeof out, true, "out", false}}, .block = {threads}};
    bool ran = run_ptx(text, &c);
    ok(!ran && run_report.n_faults && run_report.fault[0].reason == reason, "%s: %s", what,
       run_fault());
}

static void test_faults(void)
{
    check_fault("an mma that half of the warp executes",
                BODY("setp.lt.u32 %p1, %r0, 16;\n@%p1 bra L;\n" MMA "L:\n"), 32, HX_ILLEGAL);
    check_fault("an mma of a warp of 16 threads", BODY(MMA), 16, HX_ILLEGAL);
    check_fault("ldmatrix of what nobody wrote, and a branch on it",
                BODY("mov.u32 %r1, s;\nldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r2}, [%r1];\n"
                     "setp.eq.u32 %p1, %r2, 0;\n@%p1 bra L;\nL:\n"),
                32, HX_UNINITIALIZED_READ);
    check_fault("ldmatrix off its rows",
                BODY("mov.u32 %r1, s;\nadd.u32 %r1, %r1, 8;\n"
                     "ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r2}, [%r1];\n"),
                32, HX_MISALIGNED);
    check_fault(
        "an unknown shape",
        BODY(
            "mma.sync.aligned.m16n8k12.row.col.f32.f16.f16.f32 {%r1,%r2,%r3,%r4},{%r1,%r2,%r3,%r4},"
            "{%r5,%r6},{%r7,%r8,%r9,%r10};\n"),
        32, HX_UNSUPPORTED);
}

/* ---- ldmatrix, stmatrix, movmatrix ---- */

static void test_movement(void)
{
    static const char source[] =
        "extern \"C\" __global__ void k(unsigned short *out) {\n"
        "  __shared__ __align__(16) unsigned short s[512], t[512];\n"
        "  int l = threadIdx.x; unsigned r[4], q;\n"
        "  for (int i = l; i < 512; i += 32) s[i] = i;\n"
        "  __syncwarp();\n"
        "  unsigned from = (unsigned)__cvta_generic_to_shared(s + l * 8), to = "
        "(unsigned)__cvta_generic_to_shared(t + l * 8);\n"
        "  asm volatile(\"ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];\" : "
        "\"=r\"(r[0]), \"=r\"(r[1]), \"=r\"(r[2]), \"=r\"(r[3]) : \"r\"(from));\n"
        "  for (int m = 0; m < 4; m++) { out[m * 64 + 2 * l] = r[m] & 0xffff; out[m * 64 + 2 * l + "
        "1] = r[m] >> 16; }\n"
        "  asm volatile(\"stmatrix.sync.aligned.m8n8.x4.trans.shared.b16 [%4], {%0,%1,%2,%3};\" :: "
        "\"r\"(r[0]), \"r\"(r[1]), \"r\"(r[2]), \"r\"(r[3]), \"r\"(to) : \"memory\");\n"
        "  __syncwarp();\n"
        "  for (int i = l; i < 256; i += 32) out[256 + i] = t[i];\n"
        "  asm volatile(\"ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];\" : "
        "\"=r\"(r[0]), \"=r\"(r[1]) : \"r\"(from));\n"
        "  for (int m = 0; m < 2; m++) { out[512 + m * 64 + 2 * l] = r[m] & 0xffff; out[512 + m * "
        "64 + 2 * l + 1] = r[m] >> 16; }\n"
        "  asm volatile(\"movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;\" : \"=r\"(q) : "
        "\"r\"(r[0]));\n"
        "  out[640 + 2 * l] = q & 0xffff; out[640 + 2 * l + 1] = q >> 16;\n"
        "}\n";
    static uint16_t out[704];
    run_case c = {.n_buffers = 1, .buffer = {{out, sizeof out, true, "out", false}}};
    bool ran = run_cuda(source, "sm_90", &c);
    int bad[4] = {0};
    for (int i = 0; i < 256; i++) {
        int m = i / 64, r = i / 8 % 8, k = i % 8, turned = m * 64 + k * 8 + r;
        bad[0] += out[i] != i;
        bad[1] += out[256 + i] != turned;
        if (i < 128)
            bad[2] += out[512 + i] != turned;
        if (i < 64)
            bad[3] += out[640 + i] != i;
    }
    ok(ran, "movement of matrices runs: %s", run_fault());
    ok(!bad[0], "ldmatrix.x4");
    ok(!bad[1], "stmatrix.x4.trans");
    ok(!bad[2], "ldmatrix.x2.trans");
    ok(!bad[3], "movmatrix");
}

/* ---- wmma: a product of one tile in every shape ---- */

static const char wmma_source[] =
    "using namespace nvcuda;\n"
    "template <class X> struct same { static const bool row = false; };\n"
    "template <> struct same<wmma::row_major> { static const bool row = true; };\n"
    "template <int M, int N, int K, class U, class V, class W, class X, class Y, bool Z>\n"
    "__device__ void tile(const W *a, const W *b, const V *c, V *d) {\n"
    "  wmma::fragment<wmma::matrix_a, M, N, K, U, X> fa; wmma::fragment<wmma::matrix_b, M, N, K, "
    "U, Y> fb;\n"
    "  wmma::fragment<wmma::accumulator, M, N, K, V> fc;\n"
    "  constexpr bool ra = same<X>::row, rb = same<Y>::row;\n"
    "  if constexpr (Z) {\n"
    "    __shared__ __align__(32) W s[M * K]; for (int i = threadIdx.x; i < M * K; i += 32) s[i] = "
    "a[i];\n"
    "    __syncwarp(); wmma::load_matrix_sync(fa, s, ra ? K : M);\n"
    "  } else wmma::load_matrix_sync(fa, a, ra ? K : M);\n"
    "  wmma::load_matrix_sync(fb, b, rb ? N : K);\n"
    "  wmma::load_matrix_sync(fc, c, N, wmma::mem_row_major);\n"
    "  wmma::mma_sync(fc, fa, fb, fc);\n"
    "  wmma::store_matrix_sync(d, fc, M, wmma::mem_col_major);\n"
    "}\n"
    "typedef wmma::row_major R; typedef wmma::col_major L; typedef signed char s8; typedef "
    "wmma::precision::tf32 tf32;\n"
    "extern \"C\" __global__ void k(const TA *a, const TA *b, const S *c, S *d) { tile<SHAPE, T, "
    "S, TA, LA, LB, SH>(a, b, c, d); }\n";

typedef struct wmma_case {
    int m, n, k;
    const char *type, *memory, *sum; /* of A and B in fragments and memory, of C */
    char kind, acc;
    bool row_a, row_b, shared;
} wmma_case;

static void check_wmma(const wmma_case *t)
{
    static double a[32][16], b[16][32], c[32][32];
    static uint8_t ma[32 * 16 * 8], mb[32 * 16 * 8], mc[32 * 32 * 8], md[32 * 32 * 8];
    int bits = t->kind == 'h' || t->kind == 'b'   ? 16
               : t->kind == 's' || t->kind == 'u' ? 8
               : t->kind == 'd'                   ? 64
                                                  : 32;
    int cbits = t->acc == 'h' ? 16 : t->acc == 'd' ? 64 : 32, bad = 0;
    for (int r = 0; r < t->m; r++)
        for (int q = 0; q < t->k; q++) {
            a[r][q] = (r * 7 + q * 3) % 11 - (t->kind == 'u' ? 0 : 5);
            put(ma, bits, t->row_a ? r * t->k + q : q * t->m + r, encode(t->kind, a[r][q]));
        }
    for (int q = 0; q < t->k; q++)
        for (int j = 0; j < t->n; j++) {
            b[q][j] = (q * 5 + j * 2) % 13 - (t->kind == 'u' ? 0 : 6);
            put(mb, bits, t->row_b ? q * t->n + j : j * t->k + q, encode(t->kind, b[q][j]));
        }
    for (int r = 0; r < t->m; r++)
        for (int j = 0; j < t->n; j++) {
            c[r][j] = r - j;
            put(mc, cbits, r * t->n + j, encode(t->acc, c[r][j]));
        }
    ws_buf source = {0};
    ws_buf_printf(&source,
                  "#include <mma.h>\n#include <cuda_fp16.h>\n#include <cuda_bf16.h>\n"
                  "#define SHAPE %d, %d, %d\n#define T %s\n#define TA %s\n#define S %s\n#define LA "
                  "%s\n#define LB %s\n"
                  "#define SH %d\n%s",
                  t->m, t->n, t->k, t->type, t->memory, t->sum, t->row_a ? "R" : "L",
                  t->row_b ? "R" : "L", t->shared, wmma_source);
    run_case r = {.n_buffers = 4,
                  .buffer = {{ma, (size_t)(t->m * t->k * bits / 8), false, "a"},
                             {mb, (size_t)(t->n * t->k * bits / 8), false, "b"},
                             {mc, (size_t)(t->m * t->n * cbits / 8), false, "c"},
                             {md, (size_t)(t->m * t->n * cbits / 8), true, "d"}}};
    bool ran = run_cuda(ws_buf_z(&source), "sm_90", &r);
    for (int i = 0; ran && i < t->m; i++)
        for (int j = 0; j < t->n; j++) {
            double want = c[i][j], got = decode(t->acc, take(md, cbits, j * t->m + i));
            for (int q = 0; q < t->k; q++)
                want += a[i][q] * b[q][j];
            if (got != want && !bad++)
                printf("# row %d column %d: %g, expected %g\n", i, j, got, want);
        }
    ok(ran && !bad, "wmma m%dn%dk%d %s to %s, A by %s, B by %s%s%s", t->m, t->n, t->k, t->type,
       t->sum, t->row_a ? "rows" : "columns", t->row_b ? "rows" : "columns", ran ? "" : ": ",
       ran ? "" : run_fault());
    ws_buf_release(&source);
}

static const wmma_case wmma_cases[] = {
    {16, 16, 16, "__half", "__half", "float", 'h', 'f', true, false, true},
    {16, 16, 16, "__half", "__half", "float", 'h', 'f', true, true, false},
    {16, 16, 16, "__half", "__half", "__half", 'h', 'h', false, true, true},
    {32, 8, 16, "__half", "__half", "float", 'h', 'f', false, false, false},
    {8, 32, 16, "__half", "__half", "__half", 'h', 'h', true, true, true},
    {16, 16, 16, "__nv_bfloat16", "__nv_bfloat16", "float", 'b', 'f', true, true, true},
    {32, 8, 16, "__nv_bfloat16", "__nv_bfloat16", "float", 'b', 'f', true, false, false},
    {8, 32, 16, "__nv_bfloat16", "__nv_bfloat16", "float", 'b', 'f', true, false, false},
    {16, 16, 8, "tf32", "float", "float", 't', 'f', true, true, true},
    {16, 16, 16, "s8", "s8", "int", 's', 'i', true, false, true},
    {8, 32, 16, "s8", "s8", "int", 's', 'i', true, true, false},
    {32, 8, 16, "unsigned char", "unsigned char", "int", 'u', 'i', false, false, false},
    {8, 8, 4, "double", "double", "double", 'd', 'd', true, true, false},
};

/* ---- wgmma: 64 x 64 x 64 by one warpgroup ---- */

static void list_results(ws_buf *t, int n, bool arguments)
{
    for (int r = 0; r < n; r++)
        ws_buf_printf(t, arguments ? "%s\"+f\"(d[%d])" : "%s%%%d", r ? ", " : "", r);
}

/* A by rows in 128-byte rows, swizzled; B by columns, or by rows with b_by_rows; A in registers
 * with a_regs. */
static void write_wgmma(ws_buf *t, bool a_regs, bool b_by_rows)
{
    ws_buf_printf(
        t,
        "#include <cuda_fp16.h>\n"
        "__device__ unsigned long long desc(const void *p) { unsigned a = "
        "(unsigned)__cvta_generic_to_shared(p);\n"
        "  return (unsigned long long)(a >> 4) | 1ull << 16 | 64ull << 32 | 1ull << 62; }\n"
        "extern \"C\" __global__ void k(const __half *a, const __half *b, float *c) {\n"
        "  __shared__ __align__(1024) __half sa[64 * 64], sb[64 * 64];\n"
        "  int t = threadIdx.x, w = t / 32, l = t %% 32, g = l / 4, q = l %% 4; float d[32];\n"
        "  for (int i = t; i < 4096; i += 128) { int r = i / 64, x = i %% 64, at = r * 64 + (((x / "
        "8) ^ (r %% 8)) * 8) + x %% 8;\n"
        "    sa[at] = a[i]; sb[at] = %s; }\n"
        "  for (int i = 0; i < 32; i++) d[i] = 100.0f;\n"
        "  asm volatile(\"fence.proxy.async;\");\n  __syncthreads();\n"
        "  asm volatile(\"wgmma.fence.sync.aligned;\" ::: \"memory\");\n"
        "  for (int s = 0; s < 4; s++) {\n",
        b_by_rows ? "b[i]" : "b[x * 64 + r]");
    if (a_regs)
        ws_buf_adds(t, "    unsigned f[4]; for (int i = 0; i < 4; i++) f[i] = *(const unsigned "
                       "*)&a[(w * 16 + g + (i & 1) * 8) * 64 + s * 16 + (i / 2) * 8 + 2 * q];\n");
    ws_buf_adds(t, "    asm volatile(\"{.reg .pred p;\\nsetp.ne.b32 p, %");
    ws_buf_printf(t, "%d, 0;\\n\"\n    \"wgmma.mma_async.sync.aligned.m64n64k16.f32.f16.f16 {",
                  a_regs ? 37 : 34);
    list_results(t, 32, false);
    ws_buf_printf(t, "}, %s, p, 1, 1, %s;}\" : ", a_regs ? "{%32, %33, %34, %35}, %36" : "%32, %33",
                  a_regs      ? (b_by_rows ? "1" : "0")
                  : b_by_rows ? "0, 1"
                              : "0, 0");
    list_results(t, 32, true);
    ws_buf_printf(t, " : %s, \"l\"(desc(sb + %s)), \"r\"(s) : \"memory\");\n  }\n",
                  a_regs ? "\"r\"(f[0]), \"r\"(f[1]), \"r\"(f[2]), \"r\"(f[3])"
                         : "\"l\"(desc(sa + s * 16))",
                  b_by_rows ? "s * 16 * 64" : "s * 16");
    ws_buf_adds(t, "  asm volatile(\"wgmma.commit_group.sync.aligned; "
                   "wgmma.wait_group.sync.aligned 0;\" ::: \"memory\");\n"
                   "  for (int i = 0; i < 32; i++) c[(w * 16 + g + (i & 2 ? 8 : 0)) * 64 + i / 4 * "
                   "8 + 2 * q + (i & 1)] = d[i];\n}\n");
}

static void check_wgmma_order(const char *what, const char *left_out)
{
    static uint16_t a[64 * 64];
    static float c[64 * 64];
    ws_buf source = {0};
    write_wgmma(&source, false, false);
    char *at = strstr(ws_buf_z(&source), left_out);
    memset(at, ' ', strlen(left_out));
    run_case r = {.block = {128},
                  .n_buffers = 3,
                  .buffer = {{a, sizeof a, false, "a", false},
                             {a, sizeof a, false, "b", false},
                             {c, sizeof c, true, "c", false}}};
    bool ran = run_cuda(source.p, "sm_90a", &r);
    ok(!ran && run_report.n_faults && run_report.fault[0].reason == HX_ILLEGAL, "%s: %s", what,
       run_fault());
    ws_buf_release(&source);
}

static void check_wgmma(bool a_regs, bool b_by_rows)
{
    static uint16_t a[64][64], b[64][64];
    static float c[64][64];
    int bad = 0;
    for (int i = 0; i < 64; i++)
        for (int j = 0; j < 64; j++) {
            a[i][j] = ws_f16_from_f64((i * 5 + j * 3) % 13 - 6);
            b[i][j] = ws_f16_from_f64((i * 7 + j) % 11 - 5);
        }
    ws_buf source = {0};
    write_wgmma(&source, a_regs, b_by_rows);
    run_case r = {.block = {128},
                  .n_buffers = 3,
                  .buffer = {{a, sizeof a, false, "a", false},
                             {b, sizeof b, false, "b", false},
                             {c, sizeof c, true, "c", false}}};
    bool ran = run_cuda(ws_buf_z(&source), "sm_90a", &r);
    for (int i = 0; ran && i < 64; i++)
        for (int j = 0; j < 64; j++) {
            double want = 0;
            for (int k = 0; k < 64; k++)
                want += ws_f16_to_f64(a[i][k]) * ws_f16_to_f64(b[k][j]);
            if (c[i][j] != want && !bad++)
                printf("# row %d column %d: %g, expected %g\n", i, j, c[i][j], want);
        }
    ok(ran && !bad, "wgmma m64n64k16, A in %s, B by %s%s%s", a_regs ? "registers" : "shared memory",
       b_by_rows ? "rows" : "columns", ran ? "" : ": ", ran ? "" : run_fault());
    ws_buf_release(&source);
}

int main(void)
{
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        check_mma(&shapes[s]);
    test_rounding();
    test_quads();
    test_faults();
    test_movement();
    for (size_t t = 0; t < sizeof wmma_cases / sizeof *wmma_cases; t++)
        check_wmma(&wmma_cases[t]);
    for (int v = 0; v < 4; v++)
        check_wgmma(v & 1, v & 2);
    check_wgmma_order("wgmma without a fence", "wgmma.fence.sync.aligned;");
    check_wgmma_order("wgmma without a wait", "wgmma.wait_group.sync.aligned 0;");
    if (run_service)
        comp_service_close(run_service);
    return tap_done();
}
