/* The verdict on a candidate: a reason, a place and numbers that a person or a model can act on. */
#ifndef VERIFIER_VERDICT_H
#define VERIFIER_VERDICT_H

#include "base/buf.h"
#include "harness/compile/compile.h"
#include "harness/diag.h"
#include "harness/ptx/report.h"
#include "harness/timing/model.h"
#include "specs/spec.h"

/* Levels of trust (DESIGN, section 6). */
typedef enum vfy_level {
    VFY_NONE = -1, VFY_POLICY, VFY_COMPILES, VFY_EMULATED, VFY_ALGEBRAIC, VFY_DEVICE, VFY_TIMED,
    VFY_ACCEPTED
} vfy_level;
const char *vfy_level_name(vfy_level l);

/* How much was tried on the CPU. QUICK: every check shape with three kinds of inputs, one of them
 * in another order. FULL: all that docs/verify.md lists. */
typedef enum vfy_depth { VFY_QUICK, VFY_FULL } vfy_depth;

/* Of a plan with more launches than VFY_MAX_LAUNCHES those that take longest are kept. */
enum { VFY_MAX_LAUNCHES = 16 };

/* One launch of the plan at the benchmark shape, as the cost model saw it. */
typedef struct vfy_launch {
    int index; /* in the plan, from 1; 0: all launches in one, scaled from a check shape */
    char kernel[PTX_NAME_MAX];
    int64_t grid[3], block[3];
    int spill_bytes;        /* -1 unknown */
    tim_launch counted;
    tim_launch_estimate time;
} vfy_launch;

/* What the algebraic level showed (verifier/field.h). */
enum { VFY_FIELD_OUTPUTS = 16, VFY_FIELD_TRIALS = 16, VFY_FIELD_STAGES = 8 };
typedef struct vfy_field {
    bool tried;
    bool applies;           /* to `n_covered` of the outputs, those of `covers` */
    bool differs;           /* WRONG_ALGEBRA */
    bool covers[VFY_FIELD_OUTPUTS];
    int n_outputs, n_covered;
    bool simple;            /* literals of the graph are simple fractions */
    double degree;          /* of the graph's polynomials, at most */
    double log2_chance;     /* that an element that is wrong was not seen */
    int trials, shapes;     /* trials: per shape */
    uint32_t prime[VFY_FIELD_TRIALS];
    int64_t elements;       /* compared */
    /* Values of the graph on the way to outputs that are not covered, and the scratch buffers, a
     * bit each, that held one of them at the end of every run. */
    int n_stages, stage[VFY_FIELD_STAGES], stage_shapes;
    uint64_t held_in[VFY_FIELD_STAGES];
    char stages[192];       /* "'conv0' in scratch 't0'": those that were found */
    char why[256];          /* where it stopped, or why it does not apply */
    int line;               /* of the source, 0: none */
    char text[512];
    double seconds;
} vfy_field;

/* A wrong element, and who wrote one. */
typedef struct vfy_bad {
    char element[128];
    double got, want, tolerance;
} vfy_bad;
typedef struct vfy_writer {
    char kernel[PTX_NAME_MAX];
    int line; /* of the source, 0: not known */
    uint32_t thread[3], block[3];
} vfy_writer;
enum { VFY_MAX_BAD = 4 };

typedef struct vfy_verdict {
    hx_reason reason;       /* HX_PASS: everything up to `level` holds */
    vfy_level level;        /* the highest level that holds */
    char text[1024];        /* the finding in one line */
    /* place */
    char file[64];
    int line, column;
    char kernel[PTX_NAME_MAX];
    bool has_thread;
    uint32_t thread[3], block[3];
    int other_line;         /* races */
    /* the case */
    char shape[256];        /* "B=3 N=257", "" when the reason does not depend on one */
    char inputs[64];        /* which kind of inputs: "random", "adversarial", ... */
    uint64_t seed;
    /* numbers, when reason is about values */
    char tensor[64];
    char element[128];      /* "[2,17]" */
    double got, want, tolerance;
    int64_t wrong, checked;         /* elements out of tolerance, elements compared (this case) */
    vfy_bad bad[VFY_MAX_BAD];       /* the first wrong elements; `element` above is the worst */
    int n_bad;
    vfy_writer writer;              /* of the worst element, when has_writer */
    bool has_writer;
    char pattern[768];              /* what the wrong elements have in common, a line each */
    char survey[512]; /* of a rejected kernel, when asked for: right and wrong check shapes */
    double worst_ratio;             /* max |got - want| / tolerance over all passed comparisons */
    /* evidence */
    vfy_depth depth;        /* of what was passed */
    int shapes_passed, runs;        /* runs: executions over shapes, inputs and schedules */
    int shapes_refused;             /* check shapes that the plan's require refuses */
    char tune[160]; /* "BLOCK=256": the choice of the tunables that is wrong, "" the default */
    int choices_passed, choices_unusable; /* other choices of the tunables */
    bool schedule_dependent; /* right on every schedule tried, but not bit for bit the same */
    char schedule[320];     /* of full verification: whether the bits depend on it, and by what */
    char warning[256];      /* what is right here, but only as long as the lanes of a warp run in step */
    int warning_line, warning_other_line;
    char relations[640];    /* of full verification: those that the operation keeps, and it too */
    char launches_needed[512]; /* of full verification and a plan with several launches */
    /* Of full verification: elements that a sample of the benchmark shape's blocks wrote, and that
     * are right; 0: nothing could be compared there. */
    int64_t benchmark_elements;
    char precision[8];      /* of full verification: what the arithmetic holds (faithful.h) */
    double roundoff;        /* when `precision` is set: the effective one, 0: exact */
    ptx_counters counters;          /* of the largest check shape */
    ptx_fault fault;                /* the first fault, when the engine found one */
    bool has_fault;
    char ptx_sha256[65], source_sha256[65], compile_key[65];
    double compile_seconds, run_seconds, total_seconds;
    /* modelled time, when level >= VFY_EMULATED */
    bool has_model;
    char gpu[32];
    tim_estimate model;
    double filled_s;        /* the time if the launches filled the SMs, when ptxas was asked last */
    bool model_sampled;     /* from blocks of the benchmark shape; else scaled from a check shape */
    vfy_launch launch[VFY_MAX_LAUNCHES]; /* in the plan's order */
    int n_launches;         /* kept here */
    int plan_launches;      /* of the plan */
    /* resources of the benchmark-shape cubin, summed up per kernel as text "k: 32 registers,
     * ..." */
    bool assembled;         /* ptxas was asked for one; else registers are not known */
    char resources[1024];
    int n_kernels;
    int registers, shared_bytes, spill_bytes; /* maximum over kernels; -1 unknown */
    char compiler[64];      /* "NVRTC 13.0.88" */
    char arch[16];
    vfy_field field;
    char log[4096];         /* compiler's text, when it matters */
    char printed[1024];     /* device printf */
} vfy_verdict;

/* The whole verdict as text for a person (several lines) and as JSON ("schema": 1). */
void vfy_verdict_print(const vfy_verdict *v, ws_buf *out);
cJSON *vfy_verdict_json(const vfy_verdict *v);

#endif
