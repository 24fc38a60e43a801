/* Directions of optimisation: what a lane is sent to look at when there is no evidence yet, or when
 * several lanes would ask the same. From what pays most often to what pays seldom (CUTLASS' and the
 * CUDA best practices guide's order: data movement, then reuse, then latency, then the rest). */
#include "agent/strategy/angle_done.h"
#include "agent/strategy/past.h"

#include <string.h>

enum {
    ANY = 1,
    CHAIN = 2,       /* several nodes */
    ROWS = 4,        /* sums, maxima or scans along an axis */
    CONTRACTION = 8, /* products of matrices, convolutions */
    HALF = 16        /* 16-bit or narrower operands */
};

static const struct {
    unsigned fits; /* any of these */
    angle_test done;
    const char *text;
} angles[] = {
    {CHAIN, ANGLE_FUSED,
     "Fuse: do the whole graph in as few kernels as possible, with intermediates in "
     "registers or shared memory, so that every input is read once and every output written "
     "once."},
    {CONTRACTION, ANGLE_TILED,
     "Tile for reuse: stage tiles of both operands in shared memory and let every "
     "thread compute a block of outputs (4x4 to 8x8) in registers; tile sizes as "
     "tunables."},
    {HALF, ANGLE_TENSOR,
     "Use the tensor cores (mma.sync or wmma) with sums in the precision that the operation "
     "states; lay the shared tiles out without bank conflicts."},
    {ROWS, ANGLE_ROWS_KEPT,
     "One block or one warp a row with the row kept in registers or shared memory between "
     "passes, and reductions by warp shuffles: one read and one write of every element."},
    {ANY, ANGLE_WIDE,
     "Make every access to global memory wide and coalesced: neighbouring threads take "
     "neighbouring 16-byte vectors, with a scalar path for ragged ends and unaligned rows."},
    {ROWS, ANGLE_READS_ONCE,
     "Fewer passes: the online form of the reduction (running maximum and rescaled sum, "
     "Welford's moments), so that the data is seen once."},
    {ANY, ANGLE_WAITS_LITTLE,
     "More parallel work in flight: several independent loads for each thread before their "
     "use, unrolled loops, enough blocks to fill every SM."},
    {CONTRACTION, ANGLE_COPIES_AHEAD,
     "Hide latency: double-buffered tiles with cp.async (from sm_90 on: tensor maps and "
     "mbarriers), the next tile loading while the present one is used."},
    {ROWS, ANGLE_NEVER_DONE,
     "Fit the number of blocks to the shape: several short rows for each block, or several "
     "blocks for one long row with partial results in scratch and a second small kernel."},
    {CONTRACTION, ANGLE_FILLS_GPU,
     "Fill the GPU when the output is small: split the long axis of the sum over "
     "blocks with partial sums in scratch; order blocks so that neighbours share "
     "operands in L2."},
    {ANY, ANGLE_COMPUTES_LITTLE,
     "Do less arithmetic: hoist what does not change out of loops, replace divisions and "
     "index arithmetic, compute per-row or per-channel values once."},
    {ANY, ANGLE_TUNABLES,
     "Let block size, elements per thread and unrolling be tunables with few good values each, "
     "and raise occupancy: fewer registers, less shared memory a block."},
};

static bool is_any(const char *op, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(op, list[i]) == 0)
            return true;
    return false;
}

static unsigned kinds(const spec *s)
{
    static const char *const products[] = {"matmul", "linear",         "conv", "conv_transpose",
                                           "einsum", "grouped_matmul", "gru",  "lstm"};
    static const char *const rows[] = {"reduce",   "softmax",    "log_softmax", "layer_norm",
                                       "rms_norm", "group_norm", "batch_norm",  "cross_entropy",
                                       "cumsum",   "cumprod",    "scan",        "topk",
                                       "argsort",  "huber"};
    if (!s)
        return ANY;
    unsigned fits = ANY | (s->n_nodes > 1 ? CHAIN : 0);
    for (int i = 0; i < s->n_nodes; i++) {
        if (is_any(s->node[i].op, products, WS_COUNT(products)))
            fits |= CONTRACTION;
        if (is_any(s->node[i].op, rows, WS_COUNT(rows)))
            fits |= ROWS;
    }
    bool half = ws_dtype_bytes(s->precision) <= 2;
    return fits | (half && (fits & CONTRACTION) ? HALF : 0);
}

int strat_n_angles(const strat_view *v)
{
    unsigned fits = kinds(v->spec);
    int n = 0;
    for (size_t i = 0; i < WS_COUNT(angles); i++)
        n += (angles[i].fits & fits) != 0;
    return n;
}

const char *strat_angle(const strat_view *v, uint64_t k)
{
    unsigned fits = kinds(v->spec);
    k %= (uint64_t)strat_n_angles(v);
    for (size_t i = 0;; i++)
        if ((angles[i].fits & fits) && k-- == 0)
            return angles[i].text;
}

const char *strat_angle_on(const strat_view *v, int subject, uint64_t k)
{
    const char *open[WS_COUNT(angles)];
    unsigned fits = kinds(v->spec);
    uint64_t n = 0;
    if (subject < 0)
        return strat_angle(v, k);
    for (size_t i = 0; i < WS_COUNT(angles); i++)
        if ((angles[i].fits & fits) && !strat_angle_is_done(&v->attempt[subject], angles[i].done))
            open[n++] = angles[i].text;
    return n ? open[k % n] : NULL;
}
