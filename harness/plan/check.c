/* The plan against the compiled kernels, and the parameter block. */
#include "harness/plan/internal.h"

#include "harness/ptx/ptx.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const comp_kernel *find_kernel(const comp_kernel *k, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (strcmp(k[i].name, name) == 0)
            return &k[i];
    return NULL;
}

/* "_Z7softmaxPKfPfi" is softmax without extern "C": the Itanium ABI writes <length><name>. */
static bool is_mangled(const char *symbol, const char *name)
{
    char part[96];
    snprintf(part, sizeof part, "%zu%s", strlen(name), name);
    return strncmp(symbol, "_Z", 2) == 0 && strstr(symbol, part);
}

static bool reject_kernel(const plan_launch *l, const comp_kernel *kernel, int n, hx_diag *d)
{
    const char *names[256] = {NULL};
    ws_buf near = {.max = 600};
    int m = 0;
    for (int i = 0; i < n; i++)
        if (is_mangled(kernel[i].name, l->kernel))
            return hx_reject(
                d, HX_PLAN_MISMATCH, l->line, 0,
                "kernel '%s' has the C++ name '%s'; declare it extern \"C\" __global__, not as "
                "a template or inside a namespace",
                l->kernel, kernel[i].name);
    for (int i = 0; i < n && m < 256; i++)
        names[m++] = kernel[i].name;
    plan_suggest(l->kernel, names, m, &near);
    if (!near.n) {
        ws_buf_printf(&near,
                      m ? "; it has" : "; it has no kernel (extern \"C\" __global__ void ...)");
        for (int i = 0; i < m; i++)
            ws_buf_printf(&near, "%s '%s'", i ? "," : "", names[i]);
    }
    hx_reject(d, HX_PLAN_MISMATCH, l->line, 0,
              "the plan launches '%s', which the source does not have%s", l->kernel,
              ws_buf_z(&near));
    ws_buf_release(&near);
    return false;
}

/* A CUtensorMap has 128 bytes at a multiple of 64, in CUDA 13 of 128. */
static bool is_map(const ptx_param *p)
{
    return p->is_aggregate && p->size == PTX_TM_BYTES && p->align >= PTX_TM_ALIGN;
}

/* "a pointer", "a float", "a 4-byte integer" */
static const char *param_kind(const ptx_param *p, char *out, size_t n)
{
    if (is_map(p))
        snprintf(out, n, "a struct of %u bytes, as a CUtensorMap is", p->size);
    else if (p->is_aggregate)
        snprintf(out, n, "a struct or half of %u bytes", p->size);
    else if (p->is_pointer)
        snprintf(out, n, "a pointer");
    else if (p->is_float)
        snprintf(out, n, p->size == 8 ? "a double" : "a float");
    else
        snprintf(out, n, "an integer of %u bytes", p->size);
    return out;
}

static const char *arg_kind(const plan_arg *a)
{
    switch (a->kind) {
    case PLAN_ARG_TENSOR: return "a tensor, passed as a pointer";
    case PLAN_ARG_SCRATCH: return "a scratch buffer, passed as a pointer";
    case PLAN_ARG_INT: return "an integer";
    case PLAN_ARG_FLOAT: return "a float";
    case PLAN_ARG_MAP: return "a tensor map, passed by value";
    }
    return "";
}

/* Does `a` fit `p`? An 8-byte integer in PTX may be either: NVRTC marks pointers with .ptr, but a
 * pointer that was cast or wrapped is a plain .u64. A __grid_constant__ number is an aggregate with
 * the number's size and alignment. */
static bool fits(const plan_arg *a, const ptx_param *p)
{
    if (a->kind == PLAN_ARG_MAP)
        return is_map(p);
    if (p->is_aggregate)
        return p->align == p->size &&
               (p->size == 8 ||
                (p->size == 4 && (a->kind == PLAN_ARG_INT || a->kind == PLAN_ARG_FLOAT)));
    switch (a->kind) {
    case PLAN_ARG_TENSOR:
    case PLAN_ARG_SCRATCH:
        return p->size == 8 && !p->is_float;
    case PLAN_ARG_INT:
        return !p->is_pointer && !p->is_float && p->size <= 8;
    case PLAN_ARG_FLOAT:
        return p->is_float && (p->size == 4 || p->size == 8);
    case PLAN_ARG_MAP:
        break;
    }
    return false;
}

/* PTX names a parameter "<kernel>_param_<i>": the position is all that a reader can use. */
static bool reject_arg(const plan_launch *l, int i, const ptx_param *p, hx_diag *d)
{
    const plan_arg *a = &l->arg[i];
    char kind[64];
    const char *advice = "";
    if (a->kind == PLAN_ARG_MAP)
        advice = "; declare it const __grid_constant__ CUtensorMap";
    else if (is_map(p))
        advice = "; name a map of the launch's \"tensormaps\"";
    else if (a->kind == PLAN_ARG_INT && p->is_float)
        advice =
            "; write a number with a fraction (1.0), or let the kernel take an int and convert it";
    else if (p->is_aggregate)
        advice = "; a plan passes pointers, integers, floats and tensor maps";
    return hx_reject(d, HX_PLAN_MISMATCH, l->line, 0,
                     "kernel '%s': argument %d ('%s') is %s, parameter %d is %s%s", l->kernel,
                     i + 1, a->text, arg_kind(a), i + 1, param_kind(p, kind, sizeof kind), advice);
}

static bool check_constant(const plan_launch *l, int i, const ptx_param *p, hx_diag *d)
{
    int64_t v;
    if (l->arg[i].kind != PLAN_ARG_INT || p->size >= 8 || !ws_expr_is_const(l->arg[i].value, &v))
        return true;
    int bits = (int)p->size * 8;
    if (v >= -(INT64_C(1) << (bits - 1)) && v < INT64_C(1) << bits)
        return true;
    return hx_reject(d, HX_PLAN_MISMATCH, l->line, 0,
                     "kernel '%s': argument %d (%" PRId64 ") does not fit parameter %d of %u bytes",
                     l->kernel, i + 1, v, i + 1, p->size);
}

static bool check_launch(const plan_launch *l, const comp_kernel *k, hx_diag *d)
{
    if (k->n_params != l->n_args)
        return hx_reject(d, HX_PLAN_MISMATCH, l->line, 0,
                         "kernel '%s' takes %d parameter%s, the plan passes %d", l->kernel,
                         k->n_params, k->n_params == 1 ? "" : "s", l->n_args);
    for (int i = 0; i < l->n_args; i++) {
        const ptx_param *p = &k->param[i];
        if (p->offset + p->size > PLAN_PARAM_BYTES)
            return hx_reject(d, HX_PLAN_MISMATCH, l->line, 0,
                             "kernel '%s': its parameters are over %d bytes", l->kernel,
                             PLAN_PARAM_BYTES);
        if (!fits(&l->arg[i], p))
            return reject_arg(l, i, p, d);
        if (!check_constant(l, i, p, d))
            return false;
    }
    return true;
}

bool plan_check_kernels(const plan *p, const comp_kernel *kernel, int n_kernels,
                        const plan_names *names, hx_diag *d)
{
    (void)names; /* the arguments carry their text */
    *d = (hx_diag){0};
    for (int i = 0; i < p->n_launches; i++) {
        const plan_launch *l = &p->launch[i];
        const comp_kernel *k = find_kernel(kernel, n_kernels, l->kernel);
        if (!k)
            return reject_kernel(l, kernel, n_kernels, d);
        if (!check_launch(l, k, d))
            return false;
    }
    return true;
}

bool plan_check_arch(const plan *p, const char *arch, hx_diag *d)
{
    enum { LEAST = 90 };
    int capability = LEAST;
    (void)sscanf(arch, "sm_%d", &capability);
    for (int i = 0; capability < LEAST && i < p->n_launches; i++)
        if (p->launch[i].n_maps)
            return hx_reject(d, HX_INVALID_LAUNCH, p->launch[i].line, 0,
                             "kernel '%s': the tensor map '%s' needs sm_%d or later, this is %s",
                             p->launch[i].kernel, p->launch[i].map[0].name, LEAST, arch);
    return true;
}
