/* The engine is compiled once for each kind of CPU, and the kind is chosen when a module is loaded.
 *
 * The Makefile compiles everything that decodes and executes (the "hot" files) as often as there
 * are variants, links the objects of one into a single object, and hides all its names but that of
 * its table. So each variant has its own ptx_launch and the like, and the files that are compiled
 * once (parser, modules, memory) reach them through the table only. A function that they need is
 * one line more here, in entry.c and, when its caller should not care, in variant.c. */
#ifndef HARNESS_PTX_VARIANT_H
#define HARNESS_PTX_VARIANT_H

#include "harness/ptx/engine.h"
#include "harness/ptx/mma.h"
#include "harness/ptx/ops.h"

typedef struct ptx_variant {
    ptx_program *(*program_new)(const ptx_ast *ast, const ptx_func *kernel,
                                const ptx_kernel_info *info);
    void (*program_free)(ptx_program *p);
    void (*visit_unsupported)(const ptx_program *p, ptx_lack_fn visit, void *ud);
    bool (*launch)(ptx_module *m, ptx_memory *mem, const ptx_launch_args *args,
                   const ptx_options *options, ptx_report *report);
    ptx_form *(*forms)(int *n);
    void (*mma_multiply)(mma_tile *x, u32 k, const mma_rule *rule);
} ptx_variant;

/* The best one that this CPU executes, or the one that the environment variable WARPSMITH_ENGINE
 * names. NULL: that is none, or not for this CPU, as `err` says. */
const ptx_variant *ptx_variant_pick(ws_err *err);
/* The n-th, best first; NULL after the last. */
const ptx_variant *ptx_variant_at(int n, const char **name, bool *runs_here);

#endif
