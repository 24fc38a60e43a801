/* The timing lane: one sitting of a baseline and its candidates on one device, in this process.
 *
 * What is timed is not trusted: who wants a sitting asks harness/timing/sitting.h, which holds it
 * in a process of its own. docs/timing.md has the protocol and the reasons. */
#ifndef HARNESS_TIMING_LANE_H
#define HARNESS_TIMING_LANE_H

#include "harness/driver.h"
#include "harness/timing/decide.h"
#include "harness/timing/watch.h"
#include "harness/timing/sim.h"
#include "harness/worker/run.h"

enum { LANE_MAX_PROGRAMS = 200, LANE_MAX_SETS = 64 };

/* What a sitting is held by; plain values, which cross to the process that holds it as they are. */
typedef struct lane_rules {
    tim_rule rule;   /* its mde is what the A/A run finds */
    int aa_pairs;    /* of the A/A run, >= rule.look[0] */
    bool confirm;    /* the candidate has the baseline's place: judged as tim_confirm does */
    bool warm;       /* each member runs on the set that it has just run on; else on others each
                      * time */
    double sample_s; /* least time between two events: launches are added until it is there */
    double budget_s; /* wall time from the first pair on; 0: none */
    uint64_t seed;   /* of orders, sets and bootstrap */
    bool aids; /* the kernels of aids.h on the CPU driver, too: it has no cache to empty and no gap */
    /* The CPU driver's clock. */
    char gpu[32]; /* whose times are modelled */
    tim_noise noise;
} lane_rules;

typedef struct lane_request {
    lane_rules rules;
    const run_request *program; /* [0] is the baseline; image, kernels, plan, names of tensors */
    int n_programs;             /* >= 2 */
    const run_request *set;     /* contents of the inputs, in the same order of tensors */
    int n_sets;                 /* >= 2 */
    /* An output that no timed launch on this set had so far, all output tensors in a row. */
    ws_status (*keep)(void *ud, int output, int set, const void *bytes, size_t n, ws_err *err);
    void *ud;
} lane_request;

/* One kept output: of which set, and which programs had it. */
typedef struct lane_output {
    int set;
    bool *by;
} lane_output;

typedef struct lane_result {
    tim_pairs aa; /* the baseline against its own second copy */
    double mde;
    tim_pairs *pairs; /* of program 1 + i against program 0 */
    int n_pairs;      /* n_programs - 1 */
    int *launches;    /* of each program between two events */
    double empty_s;   /* between two events with nothing between them; taken off */
    int warm_up;      /* rounds over all programs before the first pair */
    bool settled;     /* the clock had, by then */
    bool out_of_time; /* the budget ended it */
    lane_output *output;
    int n_outputs;
    int64_t launched, compared; /* timed launches; outputs of such that were looked at */
    /* A program that cannot be timed ends the sitting. */
    int failed; /* which; -1: none */
    hx_reason reason;
    char text[1024];
    tim_moment first, last; /* of a GPU that was watched */
    char unwatched[256];    /* why it was not; "": it was, or there is none */
} lane_result;

/* WS_OK with `failed` set, too. The caller releases the result in every case. */
ws_status lane_run(cu_device *d, const lane_request *r, lane_result *out,
                   ws_err *err) WS_MUST_CHECK;
/* What the A/A run can tell from nothing, into r->mde. */
ws_status lane_mde(const lane_rules *rules, lane_result *r, ws_err *err) WS_MUST_CHECK;
void lane_result_release(lane_result *r);

#endif
