/* How it was measured, in words that follow from what is in the report. */
#include "results/report.h"

#include "harness/timing/model.h"

#include <string.h>

static void kinds_of(const rep_report *r, int *modelled, int *measured, int *scripted,
                     int *imported)
{
    *modelled = *measured = *scripted = *imported = 0;
    for (int i = 0; i < r->n_arms; i++) {
        *modelled += r->arm[i].modelled;
        *measured += r->arm[i].measured;
        *scripted += r->arm[i].scripted;
        *imported += r->arm[i].imported;
    }
}

/* "NVIDIA H100 SXM 80GB (h100)", each once. */
static void put_gpus(const rep_report *r, const char *kind, ws_buf *out)
{
    const char *seen[16];
    int n = 0;
    for (int i = 0; i < r->n_problems; i++) {
        const res_time *t = &r->problem[i].row->best_time;
        int k = 0;
        if (!t->gpu || !t->kind || strcmp(t->kind, kind) != 0)
            continue;
        while (k < n && strcmp(seen[k], t->gpu) != 0)
            k++;
        if (k < n || n == 16)
            continue;
        seen[n++] = t->gpu;
        const tim_gpu *g = tim_gpu_find(t->gpu);
        ws_buf_printf(out, "%s%s", n > 1 ? ", " : "", g ? g->title : t->gpu);
    }
}

static void put_levels(const rep_report *r, ws_buf *out)
{
    bool any = false;
    for (int i = 0; i <= VFY_ACCEPTED; i++)
        if (r->at_level[i]) {
            ws_buf_printf(out, "%s%d at level %s", any ? ", " : "", r->at_level[i],
                          vfy_level_name((vfy_level)i));
            any = true;
        }
}

int rep_method(const rep_report *r, ws_buf line[REP_METHOD_LINES])
{
    int modelled, measured, scripted, imported, n = 0;
    kinds_of(r, &modelled, &measured, &scripted, &imported);
    memset(line, 0, REP_METHOD_LINES * sizeof *line);
    if (modelled) {
        ws_buf_adds(&line[n], "Modelled times: no GPU was used. Kernels ran on a PTX engine on the "
                              "CPU, whose counters feed a cost model of ");
        put_gpus(r, "modelled", &line[n]);
        ws_buf_adds(&line[n++], ". They rank kernels; they are no measurement, and say nothing of "
                                "cache states, clocks or other load.");
    }
    if (measured) {
        ws_buf_adds(&line[n], "Measured times: CUDA events around the whole launch plan on ");
        put_gpus(r, "measured", &line[n]);
        ws_buf_adds(&line[n++], ". They are never put in relation to modelled ones.");
    }
    ws_buf_printf(&line[n++],
                  "Speed-ups refer to the baseline '%s'%s. fast_p is the share of all problems, "
                  "those that failed included, whose best kernel is right and more than p times as "
                  "fast as the baseline; fast_0 is the share that is right.",
                  r->baseline,
                  strcmp(r->baseline, "translation") == 0
                      ? ": the plain CUDA translation of the spec, one kernel for each node"
                      : "");
    ws_buf_adds(&line[n], "Right means: every output element of every check shape is within an error "
                          "bound derived from a double-precision reference, with no race, no access "
                          "out of bounds, no read of memory that nobody wrote and no output left "
                          "unwritten");
    if (r->judge_seconds > 0) {
        ws_buf_adds(&line[n], " (");
        put_levels(r, &line[n]);
        ws_buf_adds(&line[n], ")");
    }
    ws_buf_adds(&line[n++], ". Specs that can be passed without doing the work are listed as flawed and "
                            "are never part of the headline.");
    if (scripted)
        ws_buf_adds(&line[n++], "Scripted replies: some replies came from scripts that ship with the "
                                "program, not from a language model. They show the path, not what a "
                                "model achieves.");
    if (imported)
        ws_buf_adds(&line[n++], "Imported samples were judged by another harness; nothing here "
                                "repeats or confirms that.");
    ws_buf_printf(&line[n], "Written by %s on %.10s", r->tool, r->generated);
    for (int i = 0; i < r->n_compilers; i++)
        ws_buf_printf(&line[n], "%s%s", i ? ", " : "; compiled by ", r->compilers[i]);
    ws_buf_adds(&line[n++], ".");
    return n;
}
