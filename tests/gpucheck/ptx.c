/* Every case of tests/ptx, on the device: the same expectations as on the engine. */
#include "harness/case_driver.h"
#include "tests/gpucheck/check.h"

#include <glob.h>
#include <stdlib.h>
#include <string.h>

/* true: the device cannot go on after this one. */
static bool check_file(gc_check *c, cu_device *d, const char *path)
{
    ptx_case k;
    ws_err err = {0};
    ws_buf wrong = {0};
    ptx_options engine = PTX_OPTIONS_CHECKED;
    ptx_case_outcome *o = ws_calloc(1, sizeof *o);
    const ws_status st = ptx_case_load(path, &k, &err);
    const char *why = st ? NULL : case_driver_skips(d, &k);
    bool lost = false;
    if (!why && (st || case_driver_run(d, &k, &engine, o, &err))) {
        ws_buf_adds(&wrong, err.msg);
        lost = !st && !c->engine && cu_last_reason(d) != HX_PASS;
    } else if (!why) {
        if (c->engine)
            ptx_case_judge_fault(&k, &engine, &o->report, false, &wrong);
        if (!o->report.n_faults)
            ptx_case_judge_buffers(&k, o, &wrong);
    }
    gc_add(c, cJSON_CreateObject(), why ? GC_SKIPPED : wrong.n ? GC_FAILED : GC_PASSED, path,
           why ? why : ws_buf_z(&wrong));
    ptx_case_outcome_release(o);
    ptx_case_release(&k);
    ws_buf_release(&wrong);
    free(o);
    return lost;
}

/* A context that a fault took is opened anew, so that one case does not fail the next. */
ws_status gc_ptx(gc_check *c, ws_err *err)
{
    glob_t g = {0};
    cu_device *d = NULL;
    if (glob("tests/ptx/*.ptx", 0, NULL, &g))
        g.gl_pathc = 0;
    for (size_t k = 0; k < g.gl_pathc && !err->status; k++) {
        if (gc_leaves_out(c, g.gl_pathv[k]) || gc_over(c, g.gl_pathv[k]) ||
            (!d && cu_open(c->device, &d, err)))
            continue;
        if (check_file(c, d, g.gl_pathv[k])) {
            cu_close(d);
            d = NULL;
        }
    }
    globfree(&g);
    cu_close(d);
    return err->status;
}
