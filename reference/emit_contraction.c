/* matmul and linear: a 16 x 16 tile of the result a block, operands through shared memory. einsum:
 * one thread an element. */
#include "reference/einsum.h"
#include "reference/emit_ops.h"

#include <string.h>

/* out[batch, m, n] = sum_k a[batch, m, k] b[batch, k, n] + bias[n]; a is K x M when trans_a,
 * b N x K when trans_b. The first elements of a batch's matrices are text over its coordinates. */
typedef struct product {
    const ws_expr *batches, *m, *n, *k;
    const char *a_first, *b_first;
    bool trans_a, trans_b, bias;
} product;

static void put_tile_loads(em_node *n, const product *p)
{
    const char *a = p->trans_a ? "a_first + (k0 + threadIdx.x) * M + row"
                               : "a_first + row * K + k0 + threadIdx.x";
    const char *b = p->trans_b ? "b_first + col * K + k0 + threadIdx.y"
                               : "b_first + (k0 + threadIdx.y) * N + col";
    em_put(n,
           "    a_tile[threadIdx.y][threadIdx.x] = row < M && k0 + threadIdx.x < K ? %s : (%s)0;",
           em_load(n, n->in[0], "a", a), n->type);
    em_put(n,
           "    b_tile[threadIdx.y][threadIdx.x] = k0 + threadIdx.y < K && col < N ? %s : (%s)0;",
           em_load(n, n->in[1], "b", b), n->type);
}

/* The lines before it have put what a_first and b_first use. */
static ws_status put_product(em_node *n, const product *p, const ws_expr *blocks)
{
    em_put(n, "__shared__ %s a_tile[%d][%d], b_tile[%d][%d];", n->type, EM_TILE, EM_TILE + 1,
           EM_TILE, EM_TILE + 1);
    em_put(n, "const long long a_first = %s, b_first = %s;", p->a_first, p->b_first);
    em_put(n, "%s sum = 0;", n->type);
    em_put(n, "for (long long k0 = 0; k0 < K; k0 += %d) {", EM_TILE);
    put_tile_loads(n, p);
    em_put(n, "    __syncthreads();");
    em_put(n, "    for (int k = 0; k < %d; k++)", EM_TILE);
    em_put(n, "        sum += a_tile[threadIdx.y][k] * b_tile[k][threadIdx.x];");
    em_put(n, "    __syncthreads();");
    em_put(n, "}");
    em_put(n, "if (row < M && col < N)");
    const char *value =
        p->bias ? em_text(n, "sum + %s", em_load(n, n->in[2], "bias", "col")) : "sum";
    em_put_result(n, "    ", "(batch * M + row) * N + col", value);
    em_param q[4] = {{.role = "a", .value = n->in[0]}, {.role = "b", .value = n->in[1]}};
    int n_q = 2;
    if (p->bias)
        q[n_q++] = (em_param){.role = "bias", .value = n->in[2]};
    q[n_q++] = (em_param){.role = "out", .value = n->out, .written = true};
    return em_kernel(n, "", "one block a 16 x 16 tile", q, n_q, blocks, true);
}

/* M, N, K, row, col and batch of this thread; returns the number of blocks. */
static const ws_expr *put_tiles(em_node *n, const product *p)
{
    ws_arena *a = &n->job->arena;
    const ws_expr *tile = ws_expr_const(a, EM_TILE);
    const ws_expr *tiles_m = ws_expr_binary(a, WS_X_CEIL_DIV, p->m, tile);
    const ws_expr *tiles_n = ws_expr_binary(a, WS_X_CEIL_DIV, p->n, tile);
    const ws_expr *all[] = {p->batches, tiles_m, tiles_n}, *blocks = em_product(n, all, 3);
    n->job->helpers |= EM_AXIS;
    em_put(n, "const long long M = %s, N = %s, K = %s;", em_expr(n, p->m), em_expr(n, p->n),
           em_expr(n, p->k));
    em_put(n, "if (blockIdx.x >= %s * ((M + %d) / %d) * ((N + %d) / %d))", em_expr(n, p->batches),
           EM_TILE - 1, EM_TILE, EM_TILE - 1, EM_TILE);
    em_put(n, "    return;");
    em_put(n, "long long batch = blockIdx.x;");
    em_put(n, "const long long col = axis(batch, (N + %d) / %d) * %d + threadIdx.x;", EM_TILE - 1,
           EM_TILE, EM_TILE);
    em_put(n, "const long long row = axis(batch, (M + %d) / %d) * %d + threadIdx.y;", EM_TILE - 1,
           EM_TILE, EM_TILE);
    return blocks;
}

/* First element of operand i's matrix: its leading axes broadcast to those of the result. */
static const char *first_of(em_node *n, const ref_value *lead, const ref_value *operand,
                            int matrix_axes, const char *matrix, unsigned *needed)
{
    ref_value own = *operand;
    const char *at[SPEC_MAX_RANK];
    own.rank -= matrix_axes;
    em_broadcast(n, &own, lead->dim, lead->rank, "at", at, needed);
    const char *offset = em_offset(n, at, own.dim, own.rank);
    return strcmp(offset, "0") ? em_text(n, "(%s) * %s", offset, matrix) : offset;
}

static ws_status emit_matmul(em_node *n)
{
    const ref_value *a = n->in[0], *b = n->in[1];
    const ws_expr *one = ws_expr_const(&n->job->arena, 1);
    bool row = a->rank == 1, column = b->rank == 1;
    ref_value lead = *n->out;
    lead.rank -= !row + !column;
    const ws_expr *a_rows = row ? one : a->dim[a->rank - 2], *a_last = a->dim[a->rank - 1];
    product p = {.batches = em_count(n, &lead),
                 .trans_a = n->at->trans_a,
                 .trans_b = n->at->trans_b,
                 .m = n->at->trans_a ? a_last : a_rows,
                 .k = n->at->trans_a ? a_rows : a_last,
                 .n = column ? one : b->dim[b->rank - (n->at->trans_b ? 2 : 1)]};
    unsigned needed = 0;
    em_choose_type(n, 2, true);
    const ws_expr *blocks = put_tiles(n, &p);
    p.a_first = first_of(n, &lead, a, row ? 1 : 2, "M * K", &needed);
    p.b_first = first_of(n, &lead, b, column ? 1 : 2, "K * N", &needed);
    em_coords(n, "batch", "at", lead.dim, lead.rank, needed);
    return put_product(n, &p, blocks);
}

/* x[..., K], w[N, K], b[N] */
static ws_status emit_linear(em_node *n)
{
    const ref_value *x = n->in[0], *w = n->in[1];
    product p = {.batches = ws_expr_const(&n->job->arena, 1),
                 .m = em_product(n, x->dim, x->rank - 1),
                 .n = w->dim[0],
                 .k = w->dim[1],
                 .trans_b = true,
                 .bias = n->n_in > 2,
                 .a_first = "0",
                 .b_first = "0"};
    em_choose_type(n, n->n_in, true);
    const ws_expr *blocks = put_tiles(n, &p);
    return put_product(n, &p, blocks);
}

/* ---- einsum ---- */

/* The coordinate of a letter: at<d> of the result, or the counter l_<letter> of a sum. */
static const char *coordinate(em_node *n, const ref_equation *q, char letter)
{
    int d = ref_letter_find(q->out, letter);
    return d >= 0 ? em_text(n, "at%d", d) : em_text(n, "l_%c", letter);
}

/* A loop over every letter that is summed; returns their number. */
static int put_sums(em_node *n, const ref_equation *q)
{
    int depth = 0;
    bool seen[128] = {0};
    for (int k = 0; k < q->n_in; k++)
        for (int d = 0; d < q->in[k].n; d++) {
            char c = q->in[k].p[d];
            if (seen[(unsigned char)c & 127] || ref_letter_find(q->out, c) >= 0)
                continue;
            seen[(unsigned char)c & 127] = true;
            em_put(n, "%*sfor (long long l_%c = 0; l_%c < %s; l_%c++) {", 4 * depth++, "", c, c,
                   em_expr(n, n->in[k]->dim[d]), c);
        }
    return depth;
}

static ws_status emit_einsum(em_node *n)
{
    static const char *const roles[] = {"a", "b", "c", "d"};
    ref_equation q;
    em_param p[REF_EINSUM_OPERANDS + 1] = {0};
    const ws_expr *count = em_count(n, n->out);
    if (!ref_equation_parse(n->at->equation, &q))
        ws_bug("an equation that inference accepted");
    em_choose_type(n, n->n_in, true);
    em_thread_index(n, count);
    em_coords(n, "i", "at", n->out->dim, n->out->rank, (1u << n->out->rank) - 1);
    em_put(n, "%s sum = 0;", n->type);
    int depth = put_sums(n, &q);
    const char *factors = "";
    for (int k = 0; k < q.n_in; k++) {
        const char *at[SPEC_MAX_RANK];
        for (int d = 0; d < q.in[k].n; d++)
            at[d] = coordinate(n, &q, q.in[k].p[d]);
        const char *x =
            em_load(n, n->in[k], roles[k], em_offset(n, at, n->in[k]->dim, n->in[k]->rank));
        factors = k ? em_text(n, "%s * %s", factors, x) : x;
        p[k] = (em_param){.role = roles[k], .value = n->in[k]};
    }
    em_put(n, "%*ssum += %s;", 4 * depth, "", factors);
    while (depth-- > 0)
        em_put(n, "%*s}", 4 * depth, "");
    em_put_result(n, "", "i", "sum");
    p[q.n_in] = (em_param){.role = "out", .value = n->out, .written = true};
    return em_kernel(n, "", "one thread an element", p, q.n_in + 1, em_blocks(n, count), false);
}

const em_op em_ops_contraction[] = {{.name = "matmul", .emit = emit_matmul},
                                    {.name = "linear", .emit = emit_linear},
                                    {.name = "einsum", .emit = emit_einsum},
                                    {0}};
