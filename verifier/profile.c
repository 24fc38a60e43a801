#include "verifier/profile.h"

#include "verifier/policy.h"
#include "verifier/session.h"

#include <string.h>

/* The plan at the benchmark shape, its source compiled; p->diag says what the candidate lacks. */
static ws_status compile(vfy_session *s, const char *source, size_t n, const char *file,
                         const char *arch, ws_arena *a, vfy_profile *p, ws_err *err)
{
    const ws_env env = spec_env(s->spec, -1);
    plan *parsed;
    if (!plan_parse(a, source, n, &s->names, &parsed, &p->diag) ||
        !plan_bind(a, parsed, &env, NULL, &p->bound, &p->diag))
        return WS_OK;
    p->scratch_name = plan_scratch_names(parsed, a);
    comp_request q = vfy_request(a, p->bound, vfy_names_dims(source, n), true);
    q.source = source;
    q.source_bytes = n;
    q.file = file;
    q.arch = arch;
    q.line_info = true;
    if (comp_compile(s->comp, &q, a, &p->compiled, err))
        return err->status;
    const comp_result *c = &p->compiled;
    if (!c->ok)
        p->diag = c->diag;
    else if (vfy_check_ptx(c->ptx, source, n, &p->diag))
        (void)plan_check_kernels(parsed, c->kernel, c->n_kernels, &s->names, &p->diag);
    return WS_OK;
}

static const comp_kernel *compiled_kernel(const comp_result *c, const char *name)
{
    for (int i = 0; i < c->n_kernels; i++)
        if (strcmp(c->kernel[i].name, name) == 0)
            return &c->kernel[i];
    return NULL;
}

static int cluster_of(const plan_bound_launch *l, const cubin_kernel *k)
{
    if (l->cluster[0])
        return (int)(l->cluster[0] * l->cluster[1] * l->cluster[2]);
    return k->cluster[0] * k->cluster[1] * k->cluster[2];
}

static void describe(const vfy_profile *p, const plan_bound_launch *l, const cubin_kernel *k,
                     const tim_gpu *gpu, vfy_profile_launch *out)
{
    const comp_kernel *log = compiled_kernel(&p->compiled, l->kernel);
    *out = (vfy_profile_launch){.plan = l,
                                .kernel = k,
                                .spill_store_bytes = log ? log->spill_store_bytes : -1,
                                .spill_load_bytes = log ? log->spill_load_bytes : -1,
                                .threads = l->block[0] * l->block[1] * l->block[2],
                                .blocks = l->grid[0] * l->grid[1] * l->grid[2],
                                .shared_bytes = k->shared_bytes + l->shared,
                                .cluster = cluster_of(l, k)};
    const tim_block b = {.threads = (int)out->threads,
                         .registers = k->registers,
                         .shared_bytes = out->shared_bytes,
                         .barriers = k->barriers};
    tim_occupancy_of(gpu, &b, &out->occupancy);
    if (out->occupancy.blocks)
        out->waves = (double)out->blocks / ((double)out->occupancy.blocks * gpu->sms);
    if (out->cluster)
        out->clusters = tim_clusters(gpu, out->occupancy.blocks, out->cluster);
}

ws_status vfy_profile_make(vfy_session *s, const char *source, size_t n, const char *file,
                           const char *arch, const tim_gpu *gpu, ws_arena *a, vfy_profile *out,
                           ws_err *err)
{
    *out = (vfy_profile){0};
    if (compile(s, source, n, file, arch, a, out, err) || out->diag.reason != HX_PASS)
        return err->status;
    const comp_result *c = &out->compiled;
    if (cubin_read(c->cubin, c->cubin_bytes, a, &out->module, err) ||
        prof_lines_read(c->ptx, c->ptx_bytes, a, &out->lines, err))
        return err->status;
    out->n_launches = out->bound->n_launches;
    out->launch = WS_ARENA_NEW(a, vfy_profile_launch, out->n_launches + 1);
    out->launch_line = WS_ARENA_NEW(a, int, out->n_launches + 1);
    for (int i = 0; i < out->n_launches; i++) {
        const plan_bound_launch *l = &out->bound->launch[i];
        const cubin_kernel *k = cubin_find(&out->module, l->kernel);
        if (!k)
            return ws_fail(err, WS_EENV, "the cubin has no kernel '%s'", l->kernel);
        describe(out, l, k, gpu, &out->launch[i]);
        out->launch_line[i] = l->line;
    }
    return WS_OK;
}
