/* scan: one kernel of one block. The nodes of the body are device functions, each called for all of
 * its blocks in turn; steps and nodes are separated by barriers. */
#include "reference/emit_ops.h"

/* for (i over the elements of v, one thread each) to = from; */
static void put_copy(em_node *n, const char *indent, const ref_value *v, const char *to,
                     const char *from)
{
    em_put(n, "%sfor (long long i = threadIdx.x; i < %s; i += %d)", indent,
           em_expr(n, em_count(n, v)), EM_THREADS);
    em_put(n, "%s    %s = %s;", indent, to, from);
}

/* Element i of step t, where axis `dim` of `whole` was taken away. */
static const char *step_element(em_node *n, const ref_value *whole, int dim)
{
    const char *inner = em_expr(n, em_product(n, whole->dim + dim + 1, whole->rank - dim - 1));
    return em_text(n, "(i / (%s) * T + t) * (%s) + i %% (%s)", inner, inner, inner);
}

static ws_status emit_body(em_node *n)
{
    const ref_value *value = n->job->graph->value;
    if (em_value_scratch(n, &value[n->node->x_t]) || em_value_scratch(n, &value[n->node->carry]))
        return n->job->err->status;
    for (int k = 0; k < n->node->n_body; k++)
        if (em_body_node(n->job, &n->node->body[k]))
            return ws_wrap(n->job->err, "body[%d]", k);
    return WS_OK;
}

static void put_steps(em_node *n)
{
    const ref_value *value = n->job->graph->value, *x = n->in[0];
    const ref_value *x_t = &value[n->node->x_t], *carry = &value[n->node->carry];
    const ref_value *emit = &value[n->node->emit];
    const char *carry_at = em_text(n, "%s[i]", em_loop_buffer(n, carry, true));
    const char *taken =
        em_text(n, "%s[%s]", em_loop_buffer(n, x, false), step_element(n, x, n->at->dim));
    const char *given = em_load(n, emit, em_loop_buffer(n, emit, false), "i");
    em_put(n, "const long long T = %s;", em_expr(n, x->dim[n->at->dim]));
    put_copy(
        n, "", carry, carry_at,
        em_load(n, n->in[1], n->in[1]->is_literal ? "" : em_loop_buffer(n, n->in[1], false), "i"));
    em_put(n, "__syncthreads();");
    em_put(n, "for (long long t = 0; t < T; t++) {");
    put_copy(n, "    ", x_t, em_text(n, "%s[i]", em_loop_buffer(n, x_t, true)), taken);
    em_put(n, "    __syncthreads();");
    ws_buf_add(&n->body, n->job->loop->calls.p, n->job->loop->calls.n);
    put_copy(n, "    ", carry, carry_at,
             em_text(n, "%s[i]", em_loop_buffer(n, &value[n->node->next], false)));
    put_copy(
        n, "    ", emit,
        em_text(n, "%s[%s]", em_loop_buffer(n, n->out, true), step_element(n, n->out, n->at->dim)),
        em_store(n, n->out->dtype, given));
    em_put(n, "    __syncthreads();");
    em_put(n, "}");
}

static ws_status emit_scan(em_node *n)
{
    em_loop loop = {0};
    n->job->loop = &loop;
    ws_status st = emit_body(n);
    if (!st) {
        put_steps(n);
        st = loop.n == (int)WS_COUNT(loop.name)
                 ? ws_fail(n->job->err, WS_ELIMIT, "a scan needs more than 63 buffers")
                 : em_loop_kernel(n);
    }
    n->job->loop = NULL;
    ws_buf_release(&loop.calls);
    return st;
}

const em_op em_ops_scan[] = {{.name = "scan", .emit = emit_scan}, {0}};
