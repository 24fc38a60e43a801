/* Candidates against a baseline in one sitting: who is faster, and does it hold in another process.
 *
 * Each source is verified first; what is timed is the plan at one shape, on sets of inputs of their
 * own, and every output that a timed launch leaves is compared with the reference. */
#ifndef VERIFIER_BENCH_H
#define VERIFIER_BENCH_H

#include "harness/timing/sitting.h"
#include "verifier/verify.h"

typedef struct vfy_bench_options {
    const char *arch, *gpu; /* NULL: "sm_90", "h100" */
    const char *device;     /* "cpu": times are modelled; "gpu" */
    const char *measured_on; /* the GPU's name; NULL: times are modelled */
    bool no_floor;           /* `gpu` is another one than that: its roofline says nothing */
    int shape;              /* check shape; -1: the benchmark shape */
    bool warm;
    int max_pairs;       /* 0: all looks; else none with more pairs */
    double budget_s;     /* wall time of a sitting's pairs, 0: none */
    double wall_seconds; /* of a sitting's process, 0: 600 */
    double run_seconds;  /* of one run of the verification, 0: 25 */
    uint64_t seed;
    tim_noise noise; /* of the modelled machine */
} vfy_bench_options;

typedef struct vfy_bench_entry {
    const char *name, *source;
    size_t n;
    /* What came of it. */
    hx_reason reason; /* not HX_PASS: it was not timed, or its times do not count */
    char text[1024];
    tim_judgement first; /* in the sitting */
    bool again;          /* it won there, and was measured again */
    tim_judgement last;  /* the verdict: of the second measurement when there is one */
    tim_pairs pairs, pairs_again, aa_again;
} vfy_bench_entry;

typedef struct vfy_bench {
    vfy_bench_entry base, *entry;
    int n;
    tim_rule rule; /* with the mde that the A/A run found */
    tim_pairs aa;
    bool settled, out_of_time;
    int64_t launched, compared; /* timed launches; outputs compared */
    char shape[256];
    double floor_s;
} vfy_bench;

/* `b` comes with names and sources. A baseline that cannot be timed is an error. */
ws_status vfy_bench_run(vfy_session *s, const vfy_bench_options *o, vfy_bench *b,
                        ws_err *err) WS_MUST_CHECK;
/* Of the shapes that the CPU engine gets through fast the one with most work; -1: the benchmark
 * shape. */
int vfy_bench_shape(const vfy_session *s);
void vfy_bench_release(vfy_bench *b);

#endif
