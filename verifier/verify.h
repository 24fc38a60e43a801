/* Judges a candidate source against a spec: levels 0 to 3 of the ladder without a GPU. */
#ifndef VERIFIER_VERIFY_H
#define VERIFIER_VERIFY_H

#include "verifier/verdict.h"

typedef struct vfy_options {
    const char *arch;       /* NULL: "sm_90" */
    const char *gpu;        /* model, NULL: "h100" */
    const char *device;     /* "cpu", "gpu", NULL: auto. CPU checks always come first */
    vfy_level max_level;    /* 0 means VFY_EMULATED; VFY_ALGEBRAIC runs over fields, too */
    bool field_if_full;     /* but only what is verified in full */
    uint64_t seed;          /* of inputs; 0: fresh from the system, recorded in the verdict */
    int trials;             /* random input sets per check shape; 0: 1 */
    const int64_t *tune;    /* values of the plan's tunables, NULL: defaults */
    ptx_mma_model mma_model; /* 0: as of arch */
    double wall_seconds;    /* per run, 0: 60 */
    uint64_t max_insns;     /* warp instructions of one launch, 0: by the operation's work */
    vfy_depth depth;
    int threads;            /* runs at once, 0: one a core */
    double full_below;      /* seconds: FULL where the modelled time is less; 0: as `depth` */
    /* ptxas takes as long as NVRTC. When > 0 it is asked last, and only of kernels that are right
     * and would take less than so many seconds if they filled the SMs; of the others the verdict
     * says that they were not assembled, and their modelled time is a lower bound. 0: at once, of
     * all. */
    double assemble_below;
    /* Compiles in processes that other candidates' texts have been in (compile.h), and once more by
     * itself what would be assembled, which must give the same PTX. For use with assemble_below. */
    bool beside_others;
    /* Takes what each source line does at the benchmark shape, by launches: the lines of a launch add up
     * to its counters, but for those of DRAM (cache.c). Left as it is when nothing could be sampled.
     * NULL: not wanted. */
    ptx_lines *lines;
    bool survey; /* a rejected kernel is run at the other check shapes too, once each (survey.h) */
    double tolerance_share; /* errors beyond this share of the tolerance are wrong; 0: all of it */
    struct vfy_record *record; /* notes all that is done (record.h), on one thread; NULL: nothing */
    const char *file;       /* name of the source in messages, NULL: "kernel.cu" */
    /* Called once there is PTX for the benchmark shape; false: it is judged no further
     * (an equal one was), and the verdict says HX_PASS at level VFY_COMPILES. NULL: go on. */
    bool (*go_on)(void *ud, const vfy_verdict *so_far);
    void *ud;
} vfy_options;

/* Caches references per (spec, shape, inputs), so that judging many candidates of one spec is fast.
 * One per spec; not thread-safe. */
typedef struct vfy_session vfy_session;
ws_status vfy_session_open(const spec *s, comp_service *comp, vfy_session **out,
                           ws_err *err) WS_MUST_CHECK;
void vfy_session_close(vfy_session *s);

/* A candidate that fails is a verdict, not an error. */
ws_status vfy_verify(vfy_session *s, const char *source, size_t n, const vfy_options *o,
                     vfy_verdict *out, ws_err *err) WS_MUST_CHECK;

/* The same, then with up to `max` other choices of the plan's tunables, spread over the tune space.
 * The verdict is that of the default choice, or of the first one that is wrong. Choices that do not
 * fit on the machine are counted, not held against the source. */
ws_status vfy_verify_choices(vfy_session *s, const char *source, size_t n, const vfy_options *o,
                             int max, vfy_verdict *out, ws_err *err) WS_MUST_CHECK;
struct plan_names;
const struct plan_names *vfy_session_names(const vfy_session *s, const spec **of);

#endif
