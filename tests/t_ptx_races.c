/* The race detector against a slow, exact one: a fixed kernel executes random rows of accesses,
 * barriers and warp syncs that it reads from a table. What the engine calls a race must be one, and
 * a launch without races must pass; races that the engine overlooks are counted and must stay few.
 */
#include "base/mem.h"
#include "base/philox.h"
#include "harness/ptx/ptx.h"
#include "tests/tap.h"

#include <stdlib.h>

enum { MAX_OPS = 14, MAX_THREADS = 96, MAX_BLOCKS = 3, BYTES = 1024, NOBODY = -1 };
enum {
    READ,
    WRITE,
    STRONG_READ,
    STRONG_WRITE,
    ATOMIC,
    READ_BYTE,
    WRITE_BYTE,
    WRITE_PAIR,
    BARRIER,
    WARP_SYNC,
    KINDS,
    CLUSTER_BARRIER = KINDS, /* in clusters */
    ALL_KINDS
};
enum { IN_GLOBAL, IN_SHARED, IN_CLUSTER }; /* where the accesses go */

/* One row of `op` per step, one element of `at` per step and thread: byte offset or NOBODY. In
 * clusters the offset tells the block, too, in whose shared memory it is. */
static const char kernel[] =
    ".version 8.0\n.target sm_90\n.address_size 64\n"
    ".visible .entry k(.param .u64 op, .param .u64 at, .param .u64 data, .param .u32 n, .param "
    ".u32 in_shared)\n{\n"
    ".reg .pred %p<9>; .reg .b32 %r<20>; .reg .b64 %d<20>;\n"
    ".shared .align 16 .b8 s[1024];\n"
    "ld.param.u64 %d1, [op]; ld.param.u64 %d2, [at]; ld.param.u64 %d3, [data];\n"
    "ld.param.u32 %r1, [n]; ld.param.u32 %r2, [in_shared];\n"
    "mov.u32 %r3, %tid.x; mov.u32 %r4, %ctaid.x; mov.u32 %r5, %ntid.x; mov.u32 %r6, %nctaid.x;\n"
    "mad.lo.u32 %r7, %r4, %r5, %r3; mul.lo.u32 %r8, %r5, %r6;\n" /* thread, threads of the grid */
    "mov.u32 %r9, s; mad.lo.u32 %r10, %r3, 4, %r9; mov.u32 %r11, %r3; mov.u32 %r17, 0;\n"
    "zero: st.shared.u32 [%r10], %r17; add.u32 %r11, %r11, %r5; mad.lo.u32 %r10, %r11, 4, %r9;\n"
    "setp.lt.u32 %p1, %r11, 256;\n@%p1 bra zero;\nbar.sync 0;\n"
    "setp.eq.u32 %p5, %r2, 2;\n@!%p5 bra alone;\n"
    "barrier.cluster.arrive.aligned; barrier.cluster.wait.aligned;\n"
    "alone: setp.ne.u32 %p2, %r2, 0; cvt.u64.u32 %d4, %r9; cvta.shared.u64 %d4, %d4; selp.b64 %d3, "
    "%d4, "
    "%d3, %p2;\n"
    "mov.u32 %r12, 0;\n"
    "next:\nsetp.ge.u32 %p3, %r12, %r1;\n@%p3 bra done;\n"
    "mul.wide.u32 %d5, %r12, 4; add.s64 %d6, %d1, %d5; ld.global.u32 %r13, [%d6];\n"
    "mad.lo.u32 %r14, %r12, %r8, %r7; mul.wide.u32 %d7, %r14, 4; add.s64 %d8, %d2, %d7; "
    "ld.global.s32 %r15, [%d8];\n"
    "setp.ge.s32 %p4, %r15, 0; and.pred %p6, %p4, %p5; mov.u64 %d11, %d3;\n"
    "@%p6 shr.u32 %r18, %r15, 10; @%p6 and.b32 %r15, %r15, 1023; @%p6 mapa.u64 %d11, %d3, %r18;\n"
    "cvt.s64.s32 %d9, %r15; add.s64 %d10, %d11, %d9;\n"
    "add.u32 %r16, %r14, 0x01020304;\n"
    "ts: .branchtargets k0, k1, k2, k3, k4, k5, k6, k7, k8, k9, k10;\nbrx.idx %r13, ts;\n"
    "k0: @%p4 ld.u32 %r17, [%d10]; bra.uni again;\n"
    "k1: @%p4 st.u32 [%d10], %r16; bra.uni again;\n"
    "k2: @%p4 ld.volatile.u32 %r17, [%d10]; bra.uni again;\n"
    "k3: @%p4 st.volatile.u32 [%d10], %r16; bra.uni again;\n"
    "k4: @%p4 atom.add.u32 %r17, [%d10], 1; bra.uni again;\n"
    "k5: @%p4 ld.u8 %r17, [%d10]; bra.uni again;\n"
    "k6: @%p4 st.u8 [%d10], %r16; bra.uni again;\n"
    "k7: @%p4 st.v2.u32 [%d10], {%r16, %r16}; bra.uni again;\n"
    "k8: bar.sync 0; bra.uni again;\n"
    "k9: bar.warp.sync -1; bra.uni again;\n"
    "k10: barrier.cluster.arrive.aligned; barrier.cluster.wait.aligned;\n"
    "again: add.u32 %r12, %r12, 1; bra.uni next;\n"
    "done: @!%p5 bra end;\nbarrier.cluster.arrive.aligned; barrier.cluster.wait.aligned;\n"
    "end: ret;\n}\n";

typedef struct trial {
    int32_t op[MAX_OPS], at[MAX_OPS][MAX_BLOCKS * MAX_THREADS];
    int n, blocks, threads;
    int where;
} trial;

static uint64_t seed, drawn;
static uint32_t pick(uint32_t n)
{
    return (uint32_t)(ws_philox_u64(seed, 0, drawn++) % n);
}

static int size_of(int op)
{
    return op == READ_BYTE || op == WRITE_BYTE ? 1 : op == WRITE_PAIR ? 8 : 4;
}

/* Rows of few, of many and of all threads; mostly their own places, so that half of the trials have
 * no race. */
static void make_trial(trial *t, bool bytes_too)
{
    t->where = (int)pick(2);
    t->blocks = 1 + (int)pick(t->where ? 2 : MAX_BLOCKS);
    if (seed % 4 == 3) {
        t->where = IN_CLUSTER;
        t->blocks = 2 + (int)(seed / 4 % 2);
    }
    t->threads = (int)(24 + pick(MAX_THREADS - 23));
    t->n = (int)(2 + pick(MAX_OPS - 2));
    uint32_t who = 1 + pick(3), wild = pick(6), span = pick(2) ? 64 : BYTES, rows = pick(3),
             all = (uint32_t)(t->blocks * t->threads);
    for (int k = 0; k < t->n; k++) {
        int op = (int)pick(KINDS + 4);
        op = op >= KINDS ? (op & 1 ? BARRIER : WARP_SYNC) : op;
        if (t->where == IN_CLUSTER && op == BARRIER && pick(4))
            op = CLUSTER_BARRIER;
        if (!bytes_too && (op == READ_BYTE || op == WRITE_BYTE))
            op = READ;
        t->op[k] = op;
        uint32_t one = pick(all), turn = pick(8), size = (uint32_t)size_of(op);
        for (uint32_t i = 0; i < all; i++) {
            uint32_t place = i % 7 * 3 + turn;
            bool acts = who == 1 ? i == one : who == 2 ? i % 31 == one % 31 : pick(4) == 0;
            if (wild)
                place = i + (wild == 1 ? turn : 0);
            else
                place = pick(span);
            if (wild > 2 && pick(24))
                acts = place < span / 8; /* eight bytes each */
            t->at[k][i] =
                !acts || op >= BARRIER
                    ? NOBODY
                    : (int32_t)((wild > 2 ? place * 8 + (pick(2) ? 0 : 8 - size) : place * size) %
                                span / size * size);
            if (rows == 0 && op < BARRIER &&
                (turn & 3)) /* whole warps, one element after the other or all the same */
                t->at[k][i] =
                    (int32_t)(turn == 5 ? size * (one % 16) : (i + 32 * (turn & 2)) * size % BYTES);
            if (t->where == IN_CLUSTER && t->at[k][i] >= 0) /* of one block, or of each its next */
                t->at[k][i] +=
                    BYTES * (int32_t)((turn & 1 ? one : i / (uint32_t)t->threads + turn) %
                                      (uint32_t)t->blocks);
        }
    }
}

/* ---- the exact answer ---- */

static bool is_write(int op)
{
    return op == WRITE || op == STRONG_WRITE || op == ATOMIC || op == WRITE_BYTE ||
           op == WRITE_PAIR;
}

static bool is_strong(int op)
{
    return op == STRONG_READ || op == STRONG_WRITE || op == ATOMIC;
}

/* Whether something between steps a <= b orders threads i and j. */
static bool is_ordered(const trial *t, int a, int b, int i, int j)
{
    if (i == j)
        return true;
    for (int k = a; k < b; k++)
        if (t->op[k] == CLUSTER_BARRIER)
            return true;
    if (i / t->threads != j / t->threads)
        return false;
    bool warp = i % t->threads / 32 == j % t->threads / 32;
    for (int k = a; k < b; k++)
        if (t->op[k] == BARRIER || (t->op[k] == WARP_SYNC && warp))
            return true;
    return false;
}

static bool conflicts(const trial *t, int a, int i, int b, int j)
{
    int x = t->at[a][i], y = t->at[b][j];
    if (x < 0 || y < 0 || x + size_of(t->op[a]) <= y || y + size_of(t->op[b]) <= x)
        return false;
    if (t->where == IN_SHARED && i / t->threads != j / t->threads)
        return false;
    return !is_ordered(t, a, b, i, j);
}

static bool has_race(const trial *t)
{
    int all = t->blocks * t->threads;
    for (int a = 0; a < t->n; a++)
        for (int b = a; b < t->n; b++) {
            if ((!is_write(t->op[a]) && !is_write(t->op[b])) ||
                (is_strong(t->op[a]) && is_strong(t->op[b])))
                continue;
            for (int i = 0; i < all; i++)
                for (int j = 0; j < all && t->at[a][i] >= 0; j++)
                    if (conflicts(t, a, i, b, j))
                        return true;
        }
    return false;
}

/* ---- the engine's ---- */

typedef struct device {
    ptx_memory *mem;
    ptx_module *m;
    uint64_t op, at, data;
} device;

static bool open_device(device *d)
{
    ws_err err = {0};
    *d = (device){.mem = ptx_memory_new()};
    if (ptx_module_load(kernel, sizeof kernel - 1, d->mem, &d->m, &err)) {
        printf("# %s\n", err.msg);
        return false;
    }
    d->op = ptx_memory_alloc(d->mem, sizeof(int32_t) * MAX_OPS, "op");
    d->at = ptx_memory_alloc(d->mem, sizeof(int32_t) * MAX_OPS * MAX_BLOCKS * MAX_THREADS, "at");
    d->data = ptx_memory_alloc(d->mem, BYTES, "data");
    return d->op && d->at && d->data;
}

static bool engine_says(const device *d, const trial *t, ptx_report *r)
{
    int all = t->blocks * t->threads;
    struct {
        uint64_t op, at, data;
        uint32_t n, shared;
    } params = {d->op, d->at, d->data, (uint32_t)t->n, (uint32_t)t->where};
    bool good = ptx_memory_write(d->mem, d->op, t->op, sizeof t->op) &&
                ptx_memory_fill(d->mem, d->data, 0, BYTES);
    for (int k = 0; k < t->n; k++)
        good &= ptx_memory_write(d->mem, d->at + sizeof(int32_t) * (size_t)(k * all), t->at[k],
                                 sizeof(int32_t) * (size_t)all);
    ptx_options o = PTX_OPTIONS_CHECKED;
    o.schedule = (ptx_schedule)pick(3);
    o.seed = pick(1000);
    o.threads = (int)(1 + pick(2));
    ptx_launch_args args = {.kernel = "k",
                            .grid = {(uint32_t)t->blocks, 1, 1},
                            .block = {(uint32_t)t->threads, 1, 1},
                            .cluster = {t->where == IN_CLUSTER ? (uint32_t)t->blocks : 1, 1, 1},
                            .params = &params};
    memset(r, 0, sizeof *r);
    ptx_launch(d->m, d->mem, &args, &o, r);
    return good;
}

static void print_trial(const trial *t)
{
    static const char *const names[] = {"read",    "write",     "strong read", "strong write",
                                        "atomic",  "read byte", "write byte",  "write pair",
                                        "barrier", "warp sync", "cluster barrier"};
    _Static_assert(WS_COUNT(names) == ALL_KINDS, "one name a kind");
    for (int k = 0; k < t->n; k++) {
        printf("#   %s:", names[t->op[k]]);
        for (int i = 0, shown = 0; i < t->blocks * t->threads && shown < 12; i++)
            if (t->at[k][i] >= 0 && ++shown)
                printf(" %d@%d", i, t->at[k][i]);
        printf("\n");
    }
}

static const char *const where[] = {"global", "shared", "shared of the cluster"};

int main(int argc, char **argv)
{
    device d;
    uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 0) : 1,
             n = argc > 2 ? strtoull(argv[2], NULL, 0) : 1500;
    trial *t = ws_calloc(1, sizeof *t);
    ptx_report *r = ws_calloc(1, sizeof *r);
    int clean = 0, races = 0, overlooked = 0, invented = 0, other = 0;
    if (!ok(open_device(&d), "the kernel loads"))
        return tap_done();
    for (seed = first; seed < first + n; seed++) {
        drawn = 0;
        make_trial(t, seed % 2);
        bool race = has_race(t), good = engine_says(&d, t, r);
        bool found = r->n_faults &&
                     (r->fault[0].reason == HX_SHARED_RACE || r->fault[0].reason == HX_GLOBAL_RACE);
        clean += !race;
        races += race;
        overlooked += race && !found;
        invented += !race && found;
        other += !good || (r->n_faults && !found);
        if ((!race && found) || (r->n_faults && !found)) {
            printf("# seed %llu, %d blocks of %d threads, %s\n# %s\n", (unsigned long long)seed,
                   t->blocks, t->threads, where[t->where], r->fault[0].text);
            print_trial(t);
        } else if (race && !found && argc > 1) {
            printf("# seed %llu, %d blocks of %d threads, %s: overlooked\n",
                   (unsigned long long)seed, t->blocks, t->threads,
                   where[t->where]);
            print_trial(t);
        }
    }
    is_int(invented, 0, "no race is invented");
    is_int(other, 0, "nothing else is found");
    ok(clean > (int)n / 10 && races > (int)n / 10, "%d launches without a race, %d with one", clean,
       races);
    ok(overlooked * 50 <= races, "%d races of %d are overlooked", overlooked, races);
    ptx_module_free(d.m);
    ptx_memory_free(d.mem);
    free(t);
    free(r);
    return tap_done();
}
