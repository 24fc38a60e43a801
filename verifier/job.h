/* One vfy_verify call: what its files share. Only for verify.c and job_*.c.
 *
 * verify.c opens the job, keeps the ladder's order and closes it; the arena, the plan and the
 * verdict are the job's for that long. Who does what, and writes which fields:
 *   job_compile.c  compiles, and cases made while they take their time: shape, next_case, compiled
 *   job_run.c      one run and what it says of the candidate: the verdict's reason, place, counters
 *   job_shape.c    the runs that every candidate meets at a check shape: ahead
 *   job_full.c     what is tried beyond them, for full.h, and shapes on the way to the benchmark's
 *   job_resident.c blocks that wait for blocks that a GPU has no room for
 *   job_repeat.c   values at the benchmark shape
 *   job_survey.c   other shapes of a candidate that is wrong at one: steps
 *   job_bench.c    time and work at the benchmark shape
 * A candidate that fails is no error: it is in v->reason, and whoever calls looks there. */
#ifndef VERIFIER_JOB_H
#define VERIFIER_JOB_H

#include "base/sha256.h"
#include "verifier/exec.h"
#include "verifier/full.h"
#include "verifier/scale.h"

/* The plan at one check shape, or why there is none. */
typedef struct vfy_bound_shape {
    plan_bound *plan; /* NULL: refused or wrong, see `why` */
    hx_diag why;
} vfy_bound_shape;

/* The runs of one check shape: every kind of inputs, the random ones first and on a second schedule
 * too, where the result must be right again. They are judged in this order, whichever ends
 * first. */
enum { VFY_STEPS = VFY_INPUTS_QUICK + 1 };

typedef struct vfy_job {
    vfy_session *s;
    const vfy_options *o;
    const char *source;
    size_t n;
    const char *file;
    uint64_t seed;
    ws_arena arena;
    vfy_verdict *v;
    plan *plan;
    plan_bound *bench;       /* at the benchmark shape */
    vfy_bound_shape *shape;  /* per check shape */
    bool names_dims;         /* the source, as macros */
    int next_case;           /* up to here the cases were made ahead */
    bool beside;             /* compiles are in processes that met other texts */
    bool differs;            /* one of them gave another PTX than by itself */
    struct beside_made {
        const plan_bound *of;
        char ptx_sha256[WS_SHA256_HEX];
    } *made_beside;
    int n_made_beside, cap_made_beside;
    const plan_bound *compiled_for; /* the last of a check shape that is in order; NULL: none */
    comp_result compiled;
    int steps;               /* runs of a check shape, at most */
    struct shape_runs *ahead; /* per check shape, NULL: nothing was executed ahead */
    int wrong_output;        /* the worst element of the last comparison that was wrong */
    int64_t wrong_at;
    double counted_work;     /* of the check shape whose counters stand in the verdict */
    bool needed[VFY_MOST_LAUNCHES]; /* launches of the plan without which some result differs */
    bool launches_tried;     /* each was left out at some shape */
    vfy_scale scale;         /* what the check shapes showed of the work */
} vfy_job;

/* The candidate is rejected, for what *d says. */
void vfy_job_reject(vfy_job *j, const hx_diag *d);

/* ---- job_compile.c ---- */

/* Starts the benchmark shape's compile, and binds the plan at every check shape. */
void vfy_job_start_compiles(vfy_job *j);
/* The check shapes' compiles; not before it is known that they are needed. */
void vfy_job_start_check_compiles(vfy_job *j);
comp_request vfy_job_request(vfy_job *j, const plan_bound *b, bool cubin);
/* Whether the two are the same program, whatever their shapes. */
bool vfy_job_compiles_alike(vfy_job *j, const plan_bound *a, const plan_bound *b);
/* Also rejects what does not compile and what the PTX may not do. */
ws_status vfy_job_compile(vfy_job *j, const plan_bound *b, bool cubin, comp_result *out,
                          ws_err *err) WS_MUST_CHECK;

/* What was compiled beside other texts, by itself: sets `differs`, or the results stand. */
ws_status vfy_job_compile_again(vfy_job *j, ws_err *err) WS_MUST_CHECK;

/* ---- job_run.c ---- */

vfy_exec vfy_job_exec(const vfy_job *j);
int vfy_job_threads(const vfy_job *j);
/* `first` is the run of the same case on the first schedule, NULL: this is the first. */
ws_status vfy_job_judge_run(vfy_job *j, const vfy_run *o, const vfy_run *first,
                            ws_err *err) WS_MUST_CHECK;
void vfy_job_judge_outputs(vfy_job *j, const vfy_run *r);
void vfy_job_reject_fault(vfy_job *j, const run_report *r);
/* The verdict is about these dims. */
void vfy_job_name_shape(vfy_job *j, const ws_env *at);
void vfy_job_describe_case(vfy_job *j, const vfy_case *c);
/* A run that is wrong after others in its process, and right alone: something stayed in the
 * module's variables. On a GPU they last as long as the program. */
ws_status vfy_job_find_kept_state(vfy_job *j, const vfy_exec *e, const vfy_run *r,
                                  ws_err *err) WS_MUST_CHECK;

/* ---- job_shape.c ---- */

/* Judges the candidate at one check shape. */
ws_status vfy_job_shape(vfy_job *j, int check, ws_err *err) WS_MUST_CHECK;
/* By work, not by time: the same kernel is judged in the same way. */
bool vfy_job_is_small(const vfy_job *j, int check);
void vfy_job_release_runs(vfy_job *j);

/* ---- job_survey.c ---- */

/* Of a candidate that is wrong in one element at `check`: one does not tell a constant from a slip,
 * and the next shape that has more may. */
ws_status vfy_job_look_further(vfy_job *j, int check, ws_err *err) WS_MUST_CHECK;
/* The check shapes after the one that failed, one run each, where they could tell more. */
ws_status vfy_job_survey(vfy_job *j, int failed, ws_err *err) WS_MUST_CHECK;

/* ---- job_full.c, job_repeat.c, job_resident.c, job_bench.c ---- */

/* Everything at depth VFY_FULL. */
ws_status vfy_job_full(vfy_job *j, ws_err *err) WS_MUST_CHECK;
/* Rejects what a sample of the benchmark shape's blocks computes wrongly, where the reference of a
 * smaller shape tells (repeat.h). */
ws_status vfy_job_repeat(vfy_job *j, ws_err *err) WS_MUST_CHECK;
/* Whether a block finds its registers on an SM; what ptxas said of them is in the verdict. */
bool vfy_job_keeps_resources(vfy_job *j, const comp_result *cubin);
/* Rejects launches of the benchmark shape whose blocks have to be on the GPU all at once, by a
 * cooperative launch or by waiting for blocks that start after them, where they do not fit.
 * `compiled` is the benchmark's, with its cubin. */
ws_status vfy_job_resident(vfy_job *j, const comp_result *compiled, ws_err *err) WS_MUST_CHECK;
/* The modelled time, and whether the work grows as the operation's. `compiled` may be without a
 * cubin: then it is made here, where it is wanted. */
ws_status vfy_job_model_time(vfy_job *j, const comp_result *compiled, ws_err *err) WS_MUST_CHECK;

#endif
