/* Right kernels pass on a device worker, too: emitted ones and some of tests/kernels/honest, with
 * scratch, several launches, float arguments, grid-wide barriers and clusters. The program is its
 * own compiler's worker. */
#include "base/file.h"
#include "harness/device/pool.h"
#include "harness/device/request.h"
#include "reference/emit.h"
#include "tests/tap.h"
#include "verifier/compare.h"
#include "verifier/names.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_TENSORS = 64, MAX_SOURCE = 1 << 20, SHAPE = 1 };

static const struct {
    const char *spec, *file; /* file NULL: the emitted kernels */
} subjects[] = {
    {"basics/layer_norm", NULL},
    {"basics/cross_entropy", NULL},
    {"kernelbench/level1/033_batchnorm", "batch_norm_three_kernels.cu"},
    {"basics/row_sum", "row_sum_grid_sync.cu"},
    {"basics/row_sum", "row_sum_cluster.cu"},
    {"basics/cumsum", "cumsum_look_back.cu"},
    {"basics/matmul_f16", "matmul_f16_wmma.cu"},
    {"basics/matmul_f16", "matmul_f16_tma_padded_scratch.cu"},
    {"basics/conv2d", "conv2d_tma_im2col.cu"},
};

/* Everything of one subject, in the order in which it is made. */
typedef struct subject {
    spec *spec;
    ref_graph *graph;
    ws_buf source, members;
    ws_arena arena;
    plan *plan;
    plan_bound *bound;
    comp_result compiled;
    vfy_case c;
    run_tensor tensor[MAX_TENSORS];
    dev_places places[MAX_TENSORS];
    int n_in, n;
    dev_bulk_memory bulk;
} subject;

static ws_status read_source(subject *s, const char *file, ws_err *err)
{
    char path[512];
    s->source.max = MAX_SOURCE;
    snprintf(path, sizeof path, "%s/tests/kernels/honest/%s", ws_home_dir(), file ? file : "");
    return file ? ws_read_file(path, MAX_SOURCE, &s->source, err)
                : ref_emit(s->graph, &s->source, err);
}

/* A diagnosis of a kernel that is right is this test's failure. */
static ws_status refuse(const hx_diag *d, ws_err *err)
{
    return ws_fail(err, WS_EINPUT, "%s: %.800s", hx_reason_name(d->reason), d->text);
}

static ws_status compile(subject *s, comp_service *service, ws_err *err)
{
    const spec *sp = s->spec;
    ws_env env = spec_env(sp, SHAPE);
    hx_diag d = {0};
    s->n_in = sp->n_inputs + sp->n_weights;
    const plan_names names = vfy_plan_names(s->graph);
    if (!plan_parse(&s->arena, ws_buf_z(&s->source), s->source.n, &names, &s->plan, &d) ||
        !plan_bind(&s->arena, s->plan, &env, NULL, &s->bound, &d))
        return refuse(&d, err);
    comp_macro *macro = WS_ARENA_NEW(&s->arena, comp_macro, s->bound->n_macros + 1);
    for (size_t i = 0; i < s->bound->n_macros; i++)
        macro[i] = (comp_macro){s->bound->macro[i].name, s->bound->macro[i].value};
    const comp_request q = {.source = ws_buf_z(&s->source), .source_bytes = s->source.n,
                            .file = "kernel.cu", .macro = macro, .n_macros = s->bound->n_macros,
                            .fmad = true};
    if (comp_compile(service, &q, &s->arena, &s->compiled, err))
        return err->status;
    if (!s->compiled.ok ||
        !plan_check_kernels(s->plan, s->compiled.kernel, s->compiled.n_kernels, &names, &d))
        return refuse(s->compiled.ok ? &d : &s->compiled.diag, err);
    return WS_OK;
}

static ws_status make_case(subject *s, ws_err *err)
{
    const spec *sp = s->spec;
    if (vfy_case_init(&s->c, s->graph, SHAPE, VFY_INPUTS_RANDOM, 1, err))
        return err->status;
    for (; s->n < s->n_in; s->n++)
        s->tensor[s->n] = (run_tensor){.name = sp->tensor[s->n].name, .role = RUN_INPUT,
                                       .bytes = s->c.in_bytes[s->n], .in = s->c.in[s->n]};
    for (int o = 0; o < sp->n_outputs; o++) {
        const size_t bytes = ws_dtype_size(s->graph->value[s->graph->output[o]].dtype,
                                           (size_t)s->c.want[o].shape.count);
        s->tensor[s->n++] = (run_tensor){.name = sp->output[o], .role = RUN_OUTPUT,
                                         .bytes = bytes, .out = ws_calloc(bytes, 1),
                                         .written = ws_calloc(bytes, 1)};
    }
    return WS_OK;
}

static void judge(subject *s, const run_request *r, const dev_answer *a, const char *name)
{
    if (!ok(a->end == DEV_OK, "%s runs: %s %s", name, dev_end_name(a->end), a->text))
        return;
    dev_run_collect(r, &s->bulk, s->places);
    int64_t wrong = 0, unwritten = 0;
    for (int o = 0; o < s->spec->n_outputs; o++) {
        const run_tensor *t = &s->tensor[s->n_in + o];
        vfy_comparison cmp;
        vfy_compare(&s->c, o, t->out, &cmp);
        wrong += cmp.wrong;
        unwritten += memchr(t->written, 0, t->bytes) != NULL;
    }
    is_int(wrong, 0, "no element is wrong");
    is_int(unwritten, 0, "all was written");
    ok(jl_bool_or(a->json, "guarded", false), "between guards");
}

static ws_status run(subject *s, dev_pool *pool, const char *name, ws_err *err)
{
    static const unsigned char poison[] = {0xA5, 0xFF};
    const run_request r = {.image = s->compiled.ptx,
                           .image_bytes = s->compiled.ptx_bytes + 1,
                           .kernel = s->compiled.kernel,
                           .n_kernels = s->compiled.n_kernels,
                           .plan = s->bound,
                           .scratch_name = plan_scratch_names(s->plan, &s->arena),
                           .tensor = s->tensor,
                           .n_tensors = s->n};
    if (dev_bulk_new(dev_run_bytes(&r), &s->bulk, err) ||
        dev_run_encode(&r, poison, 2, &s->bulk, &s->members, s->places, err))
        return err->status;
    dev_request q = {.members = ws_buf_z(&s->members), .deadline_seconds = 120};
    dev_batch b = {.request = &q, .n = 1, .bulk = &s->bulk, .arena = &s->arena};
    dev_pool_run(pool, 0, &b);
    judge(s, &r, &q.answer, name);
    return WS_OK;
}

static void release(subject *s)
{
    for (int i = s->n_in; i < s->n; i++) {
        free(s->tensor[i].out);
        free(s->tensor[i].written);
    }
    if (s->n)
        vfy_case_release(&s->c);
    dev_bulk_release(&s->bulk);
    ws_buf_release(&s->source);
    ws_buf_release(&s->members);
    ws_arena_release(&s->arena);
    ref_graph_free(s->graph);
    spec_free(s->spec);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "worker") == 0)
        return comp_worker_main();
    setenv("WARPSMITH_EXE", argv[0], 1);
    setenv("WARPSMITH_DEVICE", "cpu", 1);
    ws_err err = {0};
    comp_service *service = NULL;
    dev_pool *pool = NULL;
    if (!ok(!comp_service_open(&(comp_service_options){0}, &service, &err) &&
                !dev_pool_open(&(dev_pool_options){0}, &pool, &err),
            "a compiler and a pool %s", err.msg))
        return tap_done();
    for (size_t i = 0; i < WS_COUNT(subjects); i++) {
        const char *name = subjects[i].file ? subjects[i].file : subjects[i].spec;
        static subject s;
        s = (subject){0};
        err = (ws_err){0};
        ok(!spec_find(subjects[i].spec, &s.spec, &err) && !ref_graph_new(s.spec, &s.graph, &err) &&
               !read_source(&s, subjects[i].file, &err) && !compile(&s, service, &err) &&
               !make_case(&s, &err) && !run(&s, pool, name, &err),
           "%s %s", name, err.msg);
        release(&s);
    }
    dev_pool_close(pool);
    comp_service_close(service);
    return tap_done();
}
