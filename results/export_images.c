/* The binaries of an export: the source compiled for each architecture, and for each set of extents
 * where it has them as macros. */
#include "results/export_parts.h"

#include "base/sha256.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_VARIANTS = 64 };

/* ---- variants ---- */

static const char *describe(exp_job *j, const int64_t *dim)
{
    ws_buf text = {0};
    for (int i = 0; i < j->in->spec->n_dims; i++)
        if (j->baked[i])
            ws_buf_printf(&text, "%s%s=%" PRId64, text.n ? " " : "", j->in->spec->dim[i].name,
                          dim[i]);
    const char *out = ws_arena_strdup(&j->arena, text.n ? ws_buf_z(&text) : "any");
    ws_buf_release(&text);
    return out;
}

static bool alike(const exp_job *j, const int64_t *a, const int64_t *b)
{
    for (int i = 0; i < j->in->spec->n_dims; i++)
        if (j->baked[i] && a[i] != b[i])
            return false;
    return true;
}

ws_status exp_add_variant(exp_job *j, const ws_env *env, int *index, ws_err *err)
{
    const spec *s = j->in->spec;
    int64_t *dim = WS_ARENA_NEW(&j->arena, int64_t, s->n_dims + 1);
    for (int i = 0; i < s->n_dims; i++)
        if (!ws_env_find(env, s->dim[i].name, &dim[i]))
            return ws_fail(err, WS_EUSAGE, "a shape lacks the dimension '%s'", s->dim[i].name);
    for (int v = 0; v < j->n_variants; v++)
        if (alike(j, j->variant[v].dim, dim)) {
            *index = v;
            return WS_OK;
        }
    if (j->n_variants == MAX_VARIANTS)
        return ws_fail(err, WS_ELIMIT, "more than %d shapes in one export", MAX_VARIANTS);
    if (!j->variant)
        j->variant = WS_ARENA_NEW(&j->arena, exp_variant, MAX_VARIANTS);
    /* The environment is kept: its bindings may be the caller's. */
    ws_binding *item = WS_ARENA_NEW(&j->arena, ws_binding, s->n_dims + 1);
    for (int i = 0; i < s->n_dims; i++)
        item[i] = (ws_binding){s->dim[i].name, dim[i]};
    j->variant[j->n_variants] =
        (exp_variant){.env = {item, (size_t)s->n_dims, NULL}, .dim = dim, .what = describe(j, dim)};
    *index = j->n_variants++;
    return WS_OK;
}

/* The benchmark shape, those that were asked for, and those at which the kernel was checked, if its
 * plan takes them. What the source does not depend on counts once. */
static ws_status add_variants(exp_job *j, ws_err *err)
{
    const spec *s = j->in->spec;
    ws_env env = spec_env(s, -1);
    int index;
    if (exp_add_variant(j, &env, &index, err))
        return err->status;
    for (int i = 0; i < j->in->n_shapes; i++)
        if (exp_add_variant(j, &j->in->shape[i], &index, err))
            return err->status;
    const int n = j->n_variants;
    for (int i = 0; i < s->n_checks && j->n_variants < MAX_VARIANTS; i++) {
        plan_bound *b;
        hx_diag d = {0};
        env = spec_env(s, i);
        if (plan_bind(&j->arena, j->plan, &env, j->tune, &b, &d) &&
            exp_add_variant(j, &env, &index, err))
            return err->status;
    }
    for (int v = n; v < j->n_variants; v++)
        j->variant[v].is_check = true;
    return WS_OK;
}

/* ---- images ---- */

static ws_status read_arch(const char *arch, exp_image *out, ws_err *err)
{
    char *end;
    long n = strncmp(arch, "sm_", 3) == 0 && isdigit((unsigned char)arch[3])
                 ? strtol(arch + 3, &end, 10)
                 : 0;
    if (n < 50 || n > 999 || strlen(arch) >= sizeof out->arch ||
        (*end && !((*end == 'a' || *end == 'f') && !end[1]))) {
        ws_fail(err, WS_EUSAGE, "'%s' is not a GPU architecture", arch);
        return ws_hint(err, "write sm_90, sm_90a, sm_100f, ...");
    }
    snprintf(out->arch, sizeof out->arch, "%s", arch);
    out->capability = (int)n;
    out->kind = *end ? *end : ' ';
    return WS_OK;
}

static void add_image(exp_job *j, const exp_image *like, bool is_ptx, const void *data, size_t n)
{
    exp_image *i = &j->image[j->n_images++];
    *i = *like;
    i->is_ptx = is_ptx;
    i->data = data;
    i->n = n;
    ws_sha256_of(data, n, i->sha256);
}

/* Launchers are written once, for all images. */
static ws_status same_parameters(const exp_job *j, const comp_result *c, const char *what,
                                 ws_err *err)
{
    bool same = c->n_kernels == j->n_kernels;
    for (int k = 0; same && k < c->n_kernels; k++) {
        const comp_kernel *a = &c->kernel[k], *b = &j->kernel[k];
        same = strcmp(a->name, b->name) == 0 && a->n_params == b->n_params;
        for (int i = 0; same && i < a->n_params; i++)
            same = a->param[i].size == b->param[i].size &&
                   a->param[i].is_float == b->param[i].is_float;
    }
    return same ? WS_OK
                : ws_fail(err, WS_EINPUT, "compiled for %s, the kernels have other parameters",
                          what);
}

static ws_status bind(exp_job *j, const exp_variant *v, plan_bound **out, ws_err *err)
{
    hx_diag d = {0};
    if (!plan_bind(&j->arena, j->plan, &v->env, j->tune, out, &d)) {
        ws_buf shape = {0};
        spec_env_print(&v->env, &shape);
        ws_fail(err, WS_EINPUT, "at %s: %s", ws_buf_z(&shape), d.text);
        ws_buf_release(&shape);
    }
    return err->status;
}

static ws_status compile_one(exp_job *j, const char *arch, int variant, bool keep_ptx,
                             bool keep_cubin, ws_err *err)
{
    const exp_variant *v = &j->variant[variant];
    const char *source = j->in->candidate->source;
    exp_image like = {.variant = variant};
    plan_bound *b = NULL;
    comp_result c = {0};
    hx_diag d = {0};
    if (read_arch(arch, &like, err) || bind(j, v, &b, err))
        return err->status;
    comp_macro *macro = WS_ARENA_NEW(&j->arena, comp_macro, b->n_macros + 1);
    comp_request r = {.source = source,
                      .source_bytes = strlen(source),
                      .file = "kernel.cu",
                      .arch = like.arch,
                      .macro = macro,
                      .want_cubin = keep_cubin,
                      .fmad = true};
    for (size_t i = 0; i < b->n_macros; i++)
        if (j->any_baked || strncmp(b->macro[i].name, "DIM_", 4) != 0)
            macro[r.n_macros++] = (comp_macro){b->macro[i].name, b->macro[i].value};
    if (comp_compile(j->in->compiler, &r, &j->arena, &c, err))
        return err->status;
    if (!c.ok)
        return ws_fail(err, WS_EINPUT, "for %s, %s: %s", arch, v->what, c.diag.text);
    if (!plan_check_kernels(j->plan, c.kernel, c.n_kernels, &j->names, &d))
        return ws_fail(err, WS_EINPUT, "for %s, %s: %s", arch, v->what, d.text);
    if (!j->kernel) {
        j->kernel = c.kernel;
        j->n_kernels = c.n_kernels;
    } else if (same_parameters(j, &c, arch, err)) {
        return err->status;
    }
    if (keep_cubin)
        add_image(j, &like, false, c.cubin, c.cubin_bytes);
    if (keep_ptx)
        add_image(j, &like, true, c.ptx, c.ptx_bytes);
    return WS_OK;
}

/* "sm_90": what the kernel was verified for. */
static const char *verified_arch(const exp_job *j)
{
    return j->in->run && j->in->run->arch && *j->in->run->arch ? j->in->run->arch : "sm_90";
}

/* Machine code for what was asked for, and PTX of the architecture that was verified: what a driver
 * compiles for GPUs that come later. For a check shape PTX is enough. */
static ws_status compile_variant(exp_job *j, int v, const char *own, ws_err *err)
{
    bool has_own = false;
    const bool is_check = j->variant[v].is_check;
    const int n = is_check ? 0 : j->in->n_archs ? j->in->n_archs : 1;
    for (int i = 0; i < n; i++) {
        const char *arch = j->in->n_archs ? j->in->arch[i] : own;
        const bool is_own = strcmp(arch, own) == 0;
        has_own |= is_own;
        if (compile_one(j, arch, v, is_own, true, err))
            return err->status;
    }
    return has_own ? WS_OK : compile_one(j, own, v, true, false, err);
}

ws_status exp_compile(exp_job *j, ws_err *err)
{
    char version[64];
    if (j->n_images)
        return WS_OK;
    if (!j->in->compiler)
        return ws_fail(err, WS_EBUG, "an export with binaries needs the compiler");
    if (comp_version(version, sizeof version, err) || add_variants(j, err))
        return err->status;
    j->compiler = ws_arena_strdup(&j->arena, version);
    j->image = WS_ARENA_NEW(&j->arena, exp_image, j->n_variants * (j->in->n_archs + 3));
    for (int v = 0; v < j->n_variants; v++)
        if (compile_variant(j, v, verified_arch(j), err))
            return err->status;
    return WS_OK;
}
