#include "harness/ptx/info.h"

#include <stdlib.h>
#include <string.h>

enum {
    MAX_THREADS = 1024,        /* of a block, on every GPU */
    MAX_STATIC_BYTES = 1 << 28 /* of shared or local memory: far above any GPU, far below 32 bits */
};

/* Indices over the module, sorted, and what the current kernel has reached so far. */
typedef struct info_walk {
    ptx_func **func;      /* with a body, by name */
    int n_funcs;
    int *func_seen;       /* number of the kernel that reached it last, + 1 */
    ptx_var **shared;     /* .shared variables of the module, by address of the struct */
    int n_shared;
    int *shared_seen;
    const ptx_func **queue;
    int n_queue;
    int kernel;           /* its number + 1 */
    uint64_t shared_bytes, local_bytes;
    int64_t insns;
    const ptx_ast *ast;
    bool pointed;         /* what variables point to is reached */
} info_walk;

static int by_name(const void *a, const void *b)
{
    return strcmp((*(ptx_func *const *)a)->name, (*(ptx_func *const *)b)->name);
}

static int by_pointer(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t) * (ptx_var *const *)a, y = (uintptr_t) * (ptx_var *const *)b;
    return (x > y) - (x < y);
}

static void walk_init(info_walk *w, const ptx_ast *ast)
{
    *w = (info_walk){.ast = ast};
    w->func = ws_calloc((size_t)ast->n_funcs + 1, sizeof *w->func);
    w->shared = ws_calloc((size_t)ast->n_vars + 1, sizeof *w->shared);
    for (int i = 0; i < ast->n_funcs; i++)
        if (!ast->func[i]->is_extern)
            w->func[w->n_funcs++] = ast->func[i];
    for (int i = 0; i < ast->n_vars; i++)
        if (ast->var[i]->space == PTX_SPACE_SHARED)
            w->shared[w->n_shared++] = ast->var[i];
    qsort(w->func, (size_t)w->n_funcs, sizeof *w->func, by_name);
    qsort(w->shared, (size_t)w->n_shared, sizeof *w->shared, by_pointer);
    w->func_seen = ws_calloc((size_t)w->n_funcs + 1, sizeof *w->func_seen);
    w->shared_seen = ws_calloc((size_t)w->n_shared + 1, sizeof *w->shared_seen);
    w->queue = ws_calloc((size_t)w->n_funcs + 1, sizeof *w->queue);
}

static void walk_release(info_walk *w)
{
    free(w->func);
    free(w->func_seen);
    free(w->shared);
    free(w->shared_seen);
    free(w->queue);
}

/* `at` rounded up for the variable, plus its bytes. Saturates far above every limit. */
static uint64_t place(const ptx_var *v, uint64_t at)
{
    uint32_t align = v->align ? v->align : 1;
    at = (at + align - 1) / align * align + v->bytes;
    return at < (uint64_t)1 << 40 ? at : (uint64_t)1 << 40;
}

static void reach_func(info_walk *w, const char *name)
{
    ptx_func key = {.name = name}, *keyp = &key;
    ptx_func **f =
        w->n_funcs ? bsearch(&keyp, w->func, (size_t)w->n_funcs, sizeof *w->func, by_name) : NULL;
    if (!f || w->func_seen[f - w->func] == w->kernel || ((*f)->is_entry && w->n_queue))
        return; /* a kernel that is named in another one is not called by it */
    w->func_seen[f - w->func] = w->kernel;
    w->queue[w->n_queue++] = *f;
}

static void reach_shared(info_walk *w, const ptx_var *v)
{
    ptx_var **at = w->n_shared
                       ? bsearch(&v, w->shared, (size_t)w->n_shared, sizeof *w->shared, by_pointer)
                       : NULL;
    if (!at || w->shared_seen[at - w->shared] == w->kernel)
        return;
    w->shared_seen[at - w->shared] = w->kernel;
    if (v->bytes)
        w->shared_bytes = place(v, w->shared_bytes);
}

static void visit_operand(info_walk *w, const ptx_operand *o)
{
    if (o->var && o->var->space == PTX_SPACE_SHARED)
        reach_shared(w, o->var);
    for (int e = 0; e < o->n_elem; e++)
        visit_operand(w, &o->elem[e]);
    if (o->kind == PTX_OPD_FUNC)
        reach_func(w, o->text);
}

static uint64_t frame_bytes(const ptx_func *f)
{
    uint64_t at = 0;
    for (int v = 0; v < f->n_locals; v++)
        at = place(f->local[v], at);
    for (int p = 0; !f->is_entry && p < f->n_params; p++)
        at = place(f->param[p], at);
    for (int r = 0; !f->is_entry && r < f->n_rets; r++)
        at = place(f->ret[r], at);
    return (at + 15) & ~(uint64_t)15;
}

static void visit_func(info_walk *w, const ptx_func *f)
{
    for (int v = 0; v < f->n_shared; v++)
        if (f->shared[v]->bytes)
            w->shared_bytes = place(f->shared[v], w->shared_bytes);
    w->local_bytes += frame_bytes(f);
    w->insns += f->n_insns;
    for (int i = 0; i < f->n_insns; i++)
        for (int o = 0; o < f->insn[i].n_operands; o++)
            visit_operand(w, &f->insn[i].operand[o]);
    if (w->pointed || !ptx_func_calls_pointer(f))
        return;
    w->pointed = true;
    for (int v = 0; v < w->ast->n_vars; v++)
        for (const ptx_reloc *r = w->ast->var[v]->relocs; r; r = r->next)
            reach_func(w, r->symbol);
}

static void collect_params(const ptx_func *f, ws_arena *a, ptx_kernel_info *info)
{
    ptx_param *param = WS_ARENA_NEW(a, ptx_param, f->n_params);
    uint64_t at = 0;
    for (int i = 0; i < f->n_params; i++) {
        const ptx_var *v = f->param[i];
        at = place(v, at);
        param[i] = (ptx_param){
            .name = v->name,
            .offset = (uint32_t)(at - v->bytes),
            .size = (uint32_t)v->bytes,
            .align = v->align,
            .is_pointer = v->is_ptr,
            .is_float = !v->is_array && (v->type == PTX_f32 || v->type == PTX_f64),
            .is_signed = !v->is_array && ptx_type_name(v->type)[0] == 's',
            .is_aggregate = v->is_array,
        };
    }
    info->param = param;
    info->n_params = f->n_params;
    info->param_bytes = (uint32_t)at;
}

/* .reqntid fixes the block; it bounds it at least. */
static void collect_limits(const ptx_func *f, ptx_kernel_info *info)
{
    const int *dim = f->max_ntid[0] ? f->max_ntid : f->req_ntid;
    int64_t threads = MAX_THREADS;
    memcpy(info->max_ntid, dim, sizeof info->max_ntid);
    for (int d = 0; d < 3; d++)
        info->cluster[d] = (uint32_t)f->cluster[d];
    info->max_cluster = (uint32_t)f->max_cluster_rank;
    info->explicit_cluster = f->explicit_cluster;
    info->blocks_are_clusters = f->blocks_are_clusters;
    if (dim[0]) {
        threads = 1;
        for (int d = 0; d < 3; d++)
            threads = threads * dim[d] < MAX_THREADS ? threads * dim[d] : MAX_THREADS;
    }
    info->max_threads = (int)threads;
}

static ws_status collect_kernel(info_walk *w, const ptx_func *f, ws_arena *a, ptx_kernel_info *info,
                                ws_err *err)
{
    w->kernel++;
    w->n_queue = 0;
    w->shared_bytes = w->local_bytes = 0;
    w->insns = 0;
    w->pointed = false;
    reach_func(w, f->name);
    for (int i = 0; i < w->n_queue; i++)
        visit_func(w, w->queue[i]);
    if (w->shared_bytes > MAX_STATIC_BYTES || w->local_bytes > MAX_STATIC_BYTES)
        return ws_fail(err, WS_EINPUT,
                       "kernel '%.200s' (line %d) needs more than %d MiB of %s memory", f->name,
                       f->ptx_line, MAX_STATIC_BYTES >> 20,
                       w->shared_bytes > MAX_STATIC_BYTES ? "shared" : "local");
    info->name = f->name;
    info->static_shared_bytes = (uint32_t)w->shared_bytes;
    info->local_bytes = (uint32_t)w->local_bytes;
    info->insns = (int)(w->insns < INT32_MAX ? w->insns : INT32_MAX);
    collect_limits(f, info);
    collect_params(f, a, info);
    return WS_OK;
}

ws_status ptx_info_collect(const ptx_ast *ast, ws_arena *a, ptx_kernel_info **out, int *n,
                           ws_err *err)
{
    int count = 0;
    for (int i = 0; i < ast->n_funcs; i++)
        count += ast->func[i]->is_entry && !ast->func[i]->is_extern;
    ptx_kernel_info *info = WS_ARENA_NEW(a, ptx_kernel_info, count);
    info_walk w;
    walk_init(&w, ast);
    ws_status st = WS_OK;
    for (int i = 0, k = 0; i < ast->n_funcs && !st; i++)
        if (ast->func[i]->is_entry && !ast->func[i]->is_extern)
            st = collect_kernel(&w, ast->func[i], a, &info[k++], err);
    walk_release(&w);
    if (st)
        return st;
    *out = info;
    *n = count;
    return WS_OK;
}
