/* KernelBench's result folders, as scripts/eval_from_generations.py of
 * ScalingIntelligence/KernelBench leaves them (runs/NAME, one level each):
 *
 *   eval_results.json    {"19": [{"sample_id": 0, "compiled": true, "correctness": true,
 *                          "metadata": {"hardware": ...}, "runtime": ms, ...}]}
 *   level_1_problem_19_sample_0_kernel.py      what was judged
 *
 * Times there are mean milliseconds. What another harness found stays apart from our verdicts
 * (table `sample`); flaws of the specs are those of its looser comparison (flaw.h). */
#ifndef AGENT_SWEEP_KERNELBENCH_H
#define AGENT_SWEEP_KERNELBENCH_H

#include "base/opt.h"
#include "results/sweep.h"

typedef struct kb_import {
    const char *dir;
    const char *name;   /* of the sweep; NULL: the folder's */
    const char *model;  /* NULL: the folder's name */
    int level;          /* 0: as the files' names say */
    ws_opt_list baseline; /* NAME=FILE: results/timing/GPU/baseline_time_torch*.json */
} kb_import;

/* The folder as a sweep over all problems of its level that is done; its name into `name`. */
ws_status kb_read(const kb_import *o, const char *archive, char name[64],
                  ws_err *err) WS_MUST_CHECK;

typedef struct kb_written {
    int problems, samples, sources;
    int refused;        /* right kernels for which there is no ModelNew */
    char why[256];      /* of the first of them */
} kb_written;

/* A sweep's KernelBench problems in that format: into `dir`, or with several levels into
 * dir/level1, ... An attempt is a sample. Right ones get a source with class ModelNew, unless
 * `no_sources`. A modelled time is no runtime: it stands in the metadata. */
ws_status kb_write(const char *archive, const char *sweep, const char *dir, bool no_sources,
                   kb_written *out, ws_err *err) WS_MUST_CHECK;

#endif
