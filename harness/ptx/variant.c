#include "harness/ptx/variant.h"

#include "harness/ptx/module.h"

#include <stdlib.h>

extern const ptx_variant ptx_variant_avx512, ptx_variant_avx2, ptx_variant_baseline;

#ifdef PTX_HAS_baseline
static bool always(void)
{
    return true;
}
#endif
/* x86-64-v3 and -v4; what goes without saying (F16C, LZCNT, MOVBE) is not asked for */
#if defined PTX_HAS_avx2 || defined PTX_HAS_avx512
static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
}
#endif
#ifdef PTX_HAS_avx512
static bool has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
}
#endif

static const struct {
    const char *name, *needs;
    bool (*runs_here)(void);
    const ptx_variant *variant;
} variants[] = {
#ifdef PTX_HAS_avx512
    {"avx512", "AVX-512 (F, BW, CD, DQ, VL)", has_avx512, &ptx_variant_avx512},
#endif
#ifdef PTX_HAS_avx2
    {"avx2", "AVX2, FMA and BMI", has_avx2, &ptx_variant_avx2},
#endif
#ifdef PTX_HAS_baseline
    {"baseline", "nothing", always, &ptx_variant_baseline},
#endif
};

const ptx_variant *ptx_variant_at(int n, const char **name, bool *runs_here)
{
    if (n < 0 || n >= (int)WS_COUNT(variants))
        return NULL;
    *name = variants[n].name;
    *runs_here = variants[n].runs_here();
    return variants[n].variant;
}

const ptx_variant *ptx_variant_pick(ws_err *err)
{
    const char *wanted = getenv("WARPSMITH_ENGINE");
    wanted = wanted && *wanted ? wanted : NULL;
    for (size_t k = 0; k < WS_COUNT(variants); k++) {
        if (wanted && strcmp(wanted, variants[k].name) != 0)
            continue;
        if (variants[k].runs_here())
            return variants[k].variant;
        if (wanted)
            ws_fail(err, WS_EENV, "WARPSMITH_ENGINE is '%s', but this CPU has not all of %s",
                    wanted, variants[k].needs);
    }
    if (err->status != WS_OK)
        return NULL;
    if (wanted)
        ws_fail(err, WS_EENV, "WARPSMITH_ENGINE is '%s', and there is no such engine", wanted);
    else
        ws_fail(err, WS_EENV, "this CPU executes none of the PTX engines that were built");
    ws_hint(err,
            "make builds the best of its machine's CPU, and baseline; make VARIANTS='avx512 avx2 "
            "baseline' builds all");
    return NULL;
}

/* ---- the functions of the headers ---- */

static const ptx_variant *variant(void)
{
    ws_err err = {0};
    const ptx_variant *v = ptx_variant_pick(&err);
    return v ? v : variants[WS_COUNT(variants) - 1].variant;
}

ptx_program *ptx_program_new(const ptx_ast *ast, const ptx_func *kernel,
                             const ptx_kernel_info *info)
{
    return variant()->program_new(ast, kernel, info);
}

void ptx_program_free(ptx_program *p)
{
    variant()->program_free(p);
}

bool ptx_launch(ptx_module *m, ptx_memory *mem, const ptx_launch_args *args,
                const ptx_options *options, ptx_report *report)
{
    return ptx_module_variant(m)->launch(m, mem, args, options, report);
}

ptx_form *ptx_forms(int *n)
{
    return variant()->forms(n);
}
