/* Runs one kernel on the PTX engine: from PTX text, or from CUDA through NVRTC. Buffers are its
 * parameters. */
#ifndef TESTS_PTX_RUN_H
#define TESTS_PTX_RUN_H

#include "harness/compile/compile.h"
#include "harness/ptx/ptx.h"
#include "tests/tap.h"

#include <stdlib.h>

typedef struct run_buffer {
    void *host;
    size_t bytes;
    bool out; /* copied back */
    const char *name;
    bool in_out; /* filled before, too */
    bool whole;  /* with a prime: integers, not elements */
} run_buffer;

enum { RUN_MAX_BUFFERS = 8, RUN_MAX_WORDS = 4 };

typedef struct run_case {
    const char *kernel; /* NULL: "k" */
    uint32_t grid[3], block[3], shared;
    run_buffer buffer[RUN_MAX_BUFFERS];
    int n_buffers;
    int32_t word[RUN_MAX_WORDS]; /* .u32 parameters behind the pointers */
    int n_words;
    ptx_mma_model model;
    ptx_schedule schedule;
    bool unchecked; /* neither initialisation nor races */
    uint32_t prime; /* over this field; 0: no */
} run_case;

static ptx_report run_report; /* of the last run */
__attribute__((unused)) static comp_service *run_service;

__attribute__((unused)) static bool run_ptx(const char *text, const run_case *c)
{
    ws_err err = {0};
    ptx_module *m = NULL;
    ptx_memory *mem = ptx_memory_new();
    uint64_t param[RUN_MAX_BUFFERS + RUN_MAX_WORDS] = {0};
    run_report = (ptx_report){0};
    if (ptx_module_load(text, strlen(text), mem, &m, &err)) {
        printf("# %s\n", err.msg);
        ptx_memory_free(mem);
        return false;
    }
    for (int b = 0; b < c->n_buffers; b++) {
        param[b] = ptx_memory_alloc(mem, c->buffer[b].bytes,
                                    c->buffer[b].name ? c->buffer[b].name : "buffer");
        if ((!c->buffer[b].out || c->buffer[b].in_out) &&
            !ptx_memory_write(mem, param[b], c->buffer[b].host, c->buffer[b].bytes))
            printf("# cannot fill buffer %d\n", b);
        if (c->prime)
            ptx_memory_hold(mem, param[b], c->buffer[b].bytes, !c->buffer[b].whole);
    }
    memcpy(&param[c->n_buffers], c->word, sizeof c->word);
    ptx_launch_args a = {
        .kernel = c->kernel ? c->kernel : "k", .dynamic_shared_bytes = c->shared, .params = param};
    for (int d = 0; d < 3; d++) {
        a.grid[d] = c->grid[d] ? c->grid[d] : 1;
        a.block[d] = c->block[d] ? c->block[d] : d ? 1 : 32;
    }
    ptx_options o = PTX_OPTIONS_CHECKED;
    o.mma_model = c->model;
    o.schedule = c->schedule;
    o.threads = 1;
    o.check_init = o.check_race = !c->unchecked && !c->prime;
    o.field_prime = c->prime;
    bool good = ptx_launch(m, mem, &a, &o, &run_report);
    for (int b = 0; b < c->n_buffers; b++)
        if (c->buffer[b].out)
            good &= ptx_memory_read(mem, c->buffer[b].host, param[b], c->buffer[b].bytes);
    ptx_module_free(m);
    ptx_memory_free(mem);
    return good;
}

__attribute__((unused)) static const char *run_fault(void)
{
    return run_report.n_faults ? run_report.fault[0].text : "no fault";
}

/* The PTX of CUDA source, in `a`; NULL: it does not compile. */
__attribute__((unused)) static const char *run_compile(const char *source, const char *arch,
                                                       ws_arena *a)
{
    ws_err err = {0};
    comp_result out = {0};
    if (!run_service &&
        comp_service_open(&(comp_service_options){.cache_dir = ""}, &run_service, &err)) {
        printf("# %s\n", err.msg);
        return NULL;
    }
    comp_request r = {.source = source,
                      .source_bytes = strlen(source),
                      .file = "kernel.cu",
                      .arch = arch,
                      .line_info = true,
                      .fmad = true};
    if (comp_compile(run_service, &r, a, &out, &err)) {
        printf("# %s\n", err.msg);
        return NULL;
    }
    if (!out.ok)
        printf("# %s\n", out.log);
    return out.ok ? out.ptx : NULL;
}

__attribute__((unused)) static bool run_cuda(const char *source, const char *arch,
                                             const run_case *c)
{
    ws_arena a = {0};
    const char *ptx = run_compile(source, arch, &a);
    bool good = ptx && run_ptx(ptx, c);
    ws_arena_release(&a);
    return good;
}

#endif
